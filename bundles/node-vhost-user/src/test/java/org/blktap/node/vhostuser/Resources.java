package org.blktap.node.vhostuser;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.blktap.linux.FileStatus;

/** What this process holds, to be compared before and after. */
final class Resources {
    private Resources() {
    }

    /** The number of descriptors, and of mappings of a memfd. */
    static String now(int memfd) throws IOException {
        long inode = FileStatus.of(memfd).inode();
        try (Stream<Path> fds = Files.list(Path.of("/proc/self/fd")); Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
            long mappings = maps.filter(line -> line.contains(" " + inode + " ")).count();
            return fds.count() + " descriptors, " + mappings + " mappings";
        }
    }
}
