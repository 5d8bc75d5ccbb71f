package org.blktap.aio;

import java.io.IOException;
import org.blktap.api.engine.EngineName;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.condition.Condition;

/** Linux's native asynchronous I/O, through libaio. */
@Component(service = IoEngine.class, property = "service.ranking:Integer=100")
@EngineName(name = LibaioEngine.NAME, summary = "asynchronous I/O of Linux, by libaio")
public final class LibaioEngine implements IoEngine {
    static final String NAME = "libaio";

    private final AioContexts contexts = new AioContexts();

    /** @param present registered while libaio is present */
    @Activate
    public LibaioEngine(@Reference(target = "(osgi.condition.id=" + LibaioPresence.ID + ")") Condition present) {
        // only its presence matters
    }

    @Override
    public IoQueue open(IoLoop loop) throws IOException {
        return LibaioQueue.open(loop, contexts);
    }

    /** Closes the engine; no queue is opened afterwards. */
    @Deactivate
    public void close() {
        contexts.close();
    }

    @Override
    public String toString() {
        return NAME;
    }
}
