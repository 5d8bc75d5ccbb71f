package org.blktap.api.testkit;

import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;

/** The context of a node, as values. */
public record TestNodeContext(
        String id,
        String target,
        Options options,
        boolean reopened,
        IoLoop loop,
        DiskPort port,
        NativeMemory memory,
        Path runDir)
        implements NodeContext {

    /** A new attachment's: without a target and without options. */
    public static TestNodeContext of(String id, IoLoop loop, DiskPort port, NativeMemory memory, Path runDir) {
        return new TestNodeContext(id, "", Options.none(), false, loop, port, memory, runDir);
    }

    /** This with another target. */
    public TestNodeContext withTarget(String other) {
        return new TestNodeContext(id, other, options, reopened, loop, port, memory, runDir);
    }

    /** This with these options in place of its own. */
    public TestNodeContext withOptions(Map<String, String> values) {
        return new TestNodeContext(id, target, new Options(values), reopened, loop, port, memory, runDir);
    }

    /** This for an attachment that had the node open before, or not. */
    public TestNodeContext withReopened(boolean before) {
        return new TestNodeContext(id, target, options, before, loop, port, memory, runDir);
    }
}
