package org.blktap.aio;

import java.io.IOException;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;

/** Linux's native asynchronous I/O, through libaio. */
final class LibaioEngine implements IoEngine {
    static final String NAME = "libaio";

    private final AioContexts contexts = new AioContexts();

    @Override
    public IoQueue open(IoLoop loop) throws IOException {
        return LibaioQueue.open(loop, contexts);
    }

    /** No queue is opened any more. */
    void close() {
        contexts.close();
    }

    @Override
    public String toString() {
        return NAME;
    }
}
