package org.blktap.core;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.NodeProvider;

/** What attachments and offline work on images need of their surroundings. */
record Services(LoopFactory loops, NativeMemory memory, Registry<DiskDriver> drivers, Registry<NodeProvider> nodes,
        Registry<IoEngine> engines, PathPolicy paths, Path runDir, ConcurrentHashMap<String, Lock> savingLocks,
        Limits limits) {

    Services(LoopFactory loops, NativeMemory memory, Registry<DiskDriver> drivers, Registry<NodeProvider> nodes, Registry<IoEngine> engines,
            PathPolicy paths, Path runDir) {
        this(loops, memory, drivers, nodes, engines, paths, runDir, new ConcurrentHashMap<>(), Limits.fromProperties());
    }

    /** Held while a disk saves what its detach would lose, and until it is closed: several attachments may share the disk. */
    Lock saving(TapSpec spec) {
        return savingLocks.computeIfAbsent(spec.toString(), any -> new ReentrantLock());
    }

    /**
     * The engine that a type of disk asks for, or the best; null if none is present. Waits for one that is being replaced; not for a loop.
     */
    Registry.Entry<IoEngine> engineFor(String type) {
        Registry.Entry<DiskDriver> driver = drivers.awaited(type);
        Registry.Entry<IoEngine> asked = driver != null && driver.reference().getProperty("tap.engine") instanceof String name
                ? engines.awaited(name) : null;
        return asked == null ? engines.awaitedBest() : asked;
    }

    /** Whether there are nodes and the VMs of all of them only read. A kind that is missing says nothing. */
    boolean onlyRead(List<String> specs) throws DiskException {
        for (String text : specs) {
            NodeSpec spec = NodeSpec.parse(text);
            Registry.Entry<NodeProvider> provider = nodes.get(spec.kind());
            if (provider == null || !provider.service().onlyReads(new Options(spec.options()))) {
                return false;
            }
        }
        return !specs.isEmpty();
    }

    /** Whether a service that was missing is there now. */
    boolean present(MissingService missing) {
        return switch (missing.kind()) {
            case NO_DRIVER -> drivers.get(missing.name()) != null;
            case NO_NODE_KIND -> nodes.get(missing.name()) != null;
            default -> missing.name() == null ? engines.best() != null : engines.get(missing.name()) != null;
        };
    }
}
