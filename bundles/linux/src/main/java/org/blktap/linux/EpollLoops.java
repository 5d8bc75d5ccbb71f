package org.blktap.linux;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;

/** Starts {@link EpollLoop}s, and owns the helper threads that they share for blocking calls. */
@Component(configurationPid = LoopSettings.PID)
public final class EpollLoops implements LoopFactory {
    /** The loops that run, the oldest first, and some that have ended since the last start of one. */
    private final Queue<EpollLoop> loops = new ConcurrentLinkedQueue<>();

    private final HelperPool helpers;
    private volatile long spinNanos;

    @LoopSettings
    private static final class Defaults {}

    @Activate
    public EpollLoops(LoopSettings settings) {
        helpers = new HelperPool(settings.helpers_loop(), settings.helpers());
        configure(settings);
        OutOfMemory.watchThreads();
    }

    /** Makes a factory with the default settings. */
    public EpollLoops() {
        this(Defaults.class.getAnnotation(LoopSettings.class));
    }

    @Modified
    public void configure(LoopSettings settings) {
        helpers.limit(settings.helpers_loop(), settings.helpers());
        spinNanos = TimeUnit.MICROSECONDS.toNanos(settings.loop_spin());
    }

    @Override
    public IoLoop start(String name) {
        loops.removeIf(EpollLoop::ended);
        EpollLoop loop = EpollLoop.start(name, helpers.share(), () -> spinNanos);
        loops.add(loop);
        return loop;
    }

    @Override
    public List<IoLoop> loops() {
        return loops.stream()
                .filter(each -> !each.ended())
                .map(each -> (IoLoop) each)
                .toList();
    }

    @Deactivate
    public void stop() {
        helpers.shutdown();
    }
}
