package org.blktap.node.nbd;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestNodeContext;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;

/**
 * A server of memory disks, for clients by hand and for measuring: {@code NbdTestServer DIRECTORY SIZE [EXPORTS]
 * [key=value ...]}. Ends when its input does.
 */
@NbdSettings
final class NbdTestServer {
    private NbdTestServer() {}

    public static void main(String[] args) throws Exception {
        Path runDir = Files.createDirectories(Path.of(args[0]));
        long size = Options.parseSize(args[1]);
        int exports = args.length > 2 ? Integer.parseInt(args[2]) : 1;
        Map<String, String> options = new HashMap<>();
        for (int i = 3; i < args.length; i++) {
            options.put(args[i].substring(0, args[i].indexOf('=')), args[i].substring(args[i].indexOf('=') + 1));
        }
        NativeMemory memory = new NativeMemoryService();
        NbdNodeProvider provider =
                new NbdNodeProvider(new EpollLoops(), NbdTestServer.class.getAnnotation(NbdSettings.class));
        for (int i = 0; i < exports; i++) {
            String id = "disk" + i;
            IoLoop loop = new EpollLoops().start(id);
            MemoryPort port = new MemoryPort(memory.allocate(size));
            port.info = port.info.withSize(size);
            port.quiet = true;
            // all of it is data: nobody tracks what was written
            port.runBytes = Long.MAX_VALUE / 2;
            DeviceNode node = loop.call(() -> provider.open(
                    TestNodeContext.of(id, loop, port, memory, runDir).withOptions(options)));
            System.out.println(node.address());
        }
        while (System.in.read() >= 0) {
            // until the end
        }
    }
}
