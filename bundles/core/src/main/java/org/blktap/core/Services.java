package org.blktap.core;

import java.nio.file.Path;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;

/** The services and settings that attachments use. */
record Services(
        LoopFactory loops,
        NativeMemory memory,
        InstalledServices installed,
        InstalledNodeKinds nodeKinds,
        CoreConfiguration configuration,
        Path runDir,
        Announcements announcements,
        ConcurrentHashMap<String, Lock> savingLocks) {

    Services(
            LoopFactory loops,
            NativeMemory memory,
            InstalledServices installed,
            InstalledNodeKinds nodeKinds,
            CoreConfiguration configuration,
            Path runDir,
            Announcements announcements) {
        this(loops, memory, installed, nodeKinds, configuration, runDir, announcements, new ConcurrentHashMap<>());
    }

    /** Returns the current limits. */
    TimeLimits limits() {
        return configuration.limits();
    }

    /**
     * Held while a disk saves what its detach would lose, and until it is closed: several attachments may share the
     * disk.
     */
    Lock saving(TapSpec spec) {
        return savingLocks.computeIfAbsent(spec.toString(), any -> new ReentrantLock());
    }

    /** Whether a service that was missing is there now. */
    boolean present(MissingService missing) {
        String name = missing.name();
        return switch (missing.kind()) {
            case NO_DRIVER -> installed.drivers().get(name) != null;
            case NO_FILTER -> installed.filters().get(name) != null;
            case NO_NODE_KIND -> nodeKinds.kinds().get(name) != null;
            default ->
                name == null
                        ? installed.engines().best() != null
                        : installed.engines().get(name) != null;
        };
    }
}
