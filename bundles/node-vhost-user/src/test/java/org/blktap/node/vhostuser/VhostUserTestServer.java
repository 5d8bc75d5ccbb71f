package org.blktap.node.vhostuser;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * Serves a disk until its input ends, for trying real guests by hand: arguments are a directory for
 * {@code disk-1.sock}, the size in MiB, and options such as {@code queues=2}. A line of input prints the status. The
 * disk is the file {@code disk-1.img} of the directory, best on a tmpfs, so that the server may be killed and started
 * again. With {@code delay=5} each request takes 5 ms.
 */
final class VhostUserTestServer {
    private VhostUserTestServer() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 2; i < arguments.length; i++) {
            String[] option = arguments[i].split("=", 2);
            options.put(option[0], option[1]);
        }
        Path directory = Path.of(arguments[0]);
        long bytes = Long.parseLong(arguments[1]) << 20;
        String delay = options.remove("delay");
        int file = Libc.open(
                directory.resolve("disk-1.img").toString(), Libc.O_RDWR | Libc.O_CREAT | Libc.O_CLOEXEC, 0600);
        if (file < 0 || Libc.ftruncate(file, bytes) != 0) {
            throw new IllegalStateException("disk-1.img: errno " + Libc.errno());
        }
        try (TestNode node = new TestNode(directory, Mapping.ofFile(file, 0, bytes), options)) {
            node.port.quiet = true;
            if (delay != null) {
                node.port.later = task -> node.loop.schedule(task, Long.parseLong(delay));
            }
            System.out.println("ready: " + node.node.address());
            while (true) {
                int key = System.in.read();
                if (key < 0) {
                    return;
                }
                if (key == '\n') {
                    System.out.println(node.loop.call(node.node::status));
                }
            }
        }
    }
}
