package org.blktap.node.vhostuser;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.blktap.linux.Libc;

/**
 * The kinds of descriptors that a client sends. Most system calls on a descriptor of unknown kind can be blocked by the
 * process that made it: fstat, fstatfs, poll and even close wait for the server of a FUSE file. So the kind is found by
 * two calls that the kernel answers alone, and a loop uses only descriptors whose calls cannot block.
 */
enum Received {
    /** A memfd, or a file on tmpfs or hugetlbfs: only these have seals. */
    MEMORY,
    /** An eventfd. Neither a read with RWF_NOWAIT nor a close waits. */
    EVENT,
    /** An anonymous pipe. A process that reads from it can hold its lock, so that even a non-blocking write waits. */
    PIPE,
    SOCKET,
    OTHER;

    private static final Path OWN = Path.of("/proc/self/fd");

    static Received kind(int fd) {
        if (Libc.fcntl(fd, Libc.F_GET_SEALS, 0) >= 0) {
            return MEMORY;
        }
        String link;
        try {
            link = Files.readSymbolicLink(OWN.resolve(Integer.toString(fd))).toString();
        } catch (IOException e) {
            return OTHER;
        }
        // files have absolute paths there
        if (link.equals("anon_inode:[eventfd]")) {
            return EVENT;
        }
        return link.startsWith("pipe:[") ? PIPE : link.startsWith("socket:[") ? SOCKET : OTHER;
    }
}
