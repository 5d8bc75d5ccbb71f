package org.blktap.linux;

import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/** Starts {@link EpollLoop}s, and owns the helper threads that they share for blocking calls. */
@Component
public final class EpollLoops implements LoopFactory {
    private final HelperPool helpers = new HelperPool();

    public EpollLoops() {
        OutOfMemory.watchThreads();
    }

    @Override
    public IoLoop start(String name) {
        return EpollLoop.start(name, helpers.share());
    }

    @Deactivate
    public void stop() {
        helpers.shutdown();
    }
}
