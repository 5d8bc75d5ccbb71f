package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;

/**
 * The queue of an I/O engine on the loop of an attachment: of the engine that the attachment asks for, or else of the
 * best for its type. For control threads, one at a time, except where noted.
 */
final class EngineQueue {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final String id;
    private final IoLoop loop;
    private final LoopCalls calls;
    private final InstalledServices installed;
    private Registry.Entry<IoEngine> engine;
    private IoQueue queue;
    private volatile String engineName = "";

    EngineQueue(String id, IoLoop loop, LoopCalls calls, InstalledServices installed) {
        this.id = id;
        this.loop = loop;
        this.calls = calls;
        this.installed = installed;
    }

    /** Opens it, unless it is open. */
    void open(AttachRequest request) throws DiskException {
        if (queue == null) {
            Registry.Entry<IoEngine> found = engineFor(request);
            queue = calls.ask(() -> EngineCalls.open(found.service(), loop));
            engine = found;
            engineName = found.name();
        }
    }

    /** The open queue; null while it is closed. */
    IoQueue opened() {
        return queue;
    }

    /** Whether it is open, and of this engine. */
    boolean isOf(Registry.Entry<IoEngine> other) {
        return queue != null && other.equals(engine);
    }

    /** The engine that was used last; empty before the first opening. Any thread. */
    String engineName() {
        return engineName;
    }

    /** @throws MissingService if the engine is not present */
    Registry.Entry<IoEngine> engineFor(AttachRequest request) throws DiskException {
        String wanted = request.options().get("engine");
        Registry.Entry<IoEngine> found = wanted == null
                ? installed.engineFor(request.spec().type())
                : installed.engines().awaited(wanted);
        if (found == null) {
            throw new MissingService(
                    StateReason.Kind.NO_ENGINE,
                    wanted,
                    (wanted == null ? "no I/O engine" : "no I/O engine '" + wanted + "'") + "; present: "
                            + installed.engines().names());
        }
        return found;
    }

    /** Closes it, if it is open. */
    void close() throws DiskException {
        if (queue == null) {
            return;
        }
        IoQueue closing = queue;
        queue = null;
        engine = null;
        calls.run(() -> {
            try {
                closing.close();
            } catch (RuntimeException | Error e) {
                LOG.log(Level.ERROR, id + ": the I/O engine's queue cannot be closed", e);
            }
        });
    }
}
