package org.blktap.node.nbd;

import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.NativeMemoryService;

/** What the core would give to a node. */
record TestContext(String id, Map<String, String> given, IoLoop loop, DiskPort port, Path runDir, NativeMemory memory)
        implements NodeContext {

    TestContext(String id, Map<String, String> given, IoLoop loop, DiskPort port, Path runDir) {
        this(id, given, loop, port, runDir, new NativeMemoryService());
    }

    @Override
    public String target() {
        return "";
    }

    @Override
    public boolean reopened() {
        return false;
    }

    @Override
    public Options options() {
        return new Options(given);
    }
}
