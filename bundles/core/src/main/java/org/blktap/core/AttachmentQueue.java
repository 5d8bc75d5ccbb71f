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
 * The queue of an I/O engine that carries a disk: of the engine that is asked for, or of the one that its type has. For
 * control threads, one at a time.
 */
final class AttachmentQueue {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final String id;
    private final IoLoop loop;
    private final LoopCalls calls;
    private final Services services;
    private Registry.Entry<IoEngine> engine;
    private IoQueue queue;
    private volatile String engineName = "";

    AttachmentQueue(String id, IoLoop loop, LoopCalls calls, Services services) {
        this.id = id;
        this.loop = loop;
        this.calls = calls;
        this.services = services;
    }

    /** The queue; null while it is closed. */
    IoQueue queue() {
        return queue;
    }

    boolean isOf(Registry.Entry<IoEngine> other) {
        return queue != null && other.equals(engine);
    }

    /** The engine's, or that of the one whose queue was last open. Any thread. */
    String engineName() {
        return engineName;
    }

    /** Opens it if it is closed. */
    void open(AttachRequest request) throws DiskException {
        if (queue == null) {
            Registry.Entry<IoEngine> found = engineFor(request);
            queue = calls.ask(() -> EngineCalls.open(found.service(), loop));
            engine = found;
            engineName = found.name();
        }
    }

    /** Returns the engine that a request is to have, which may be another than that of the open queue. */
    Registry.Entry<IoEngine> engineFor(AttachRequest request) throws DiskException {
        String wanted = request.options().get("engine");
        Registry.Entry<IoEngine> found = wanted == null
                ? services.installed().engineFor(request.spec().type())
                : services.installed().engines().awaited(wanted);
        if (found == null) {
            throw new MissingService(
                    StateReason.Kind.NO_ENGINE,
                    wanted,
                    (wanted == null ? "no I/O engine" : "no I/O engine '" + wanted + "'") + "; present: "
                            + services.installed().engines().names());
        }
        return found;
    }

    /** Closes it. Nothing is in flight. */
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
