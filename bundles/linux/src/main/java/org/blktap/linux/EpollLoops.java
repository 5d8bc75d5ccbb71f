package org.blktap.linux;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
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
    private final HelperPool helpers;
    private volatile long spinNanos;
    private final Set<EpollLoop> loops = ConcurrentHashMap.newKeySet();
    private final Watchdog watchdog = Watchdog.start(ServiceManager.ours(), () -> loops);

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
        if (watchdog != null) {
            watchdog.all(settings.watchdog().equals("all"));
        }
    }

    @Override
    public IoLoop start(String name) {
        loops.removeIf(EpollLoop::hasEnded);
        EpollLoop loop = EpollLoop.start(name, helpers.share(), () -> spinNanos);
        loops.add(loop);
        return loop;
    }

    @Deactivate
    public void stop() {
        if (watchdog != null) {
            watchdog.close();
        }
        helpers.shutdown();
    }
}
