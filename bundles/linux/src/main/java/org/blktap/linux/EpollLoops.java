package org.blktap.linux;

import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.metrics.MetricSink;
import org.blktap.api.metrics.MetricSource;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;

/** Starts {@link EpollLoop}s, and owns the helper threads that they share for blocking calls. */
@Component(configurationPid = LoopSettings.PID)
public final class EpollLoops implements LoopFactory, MetricSource {
    /** The loops that run, the oldest first, and some that have ended since the last start of one. */
    private final Queue<EpollLoop> loops = new ConcurrentLinkedQueue<>();

    private static final double NANOS = 1e9;

    private final HelperPool helpers;
    private volatile long spinNanos;
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
        loops.removeIf(EpollLoop::ended);
        EpollLoop loop = EpollLoop.start(name, helpers.share(), () -> spinNanos);
        loops.add(loop);
        return loop;
    }

    /** Gives the figures of loops by name, of the oldest if several have one name, and of the helper threads. */
    @Override
    public void collect(MetricSink sink) {
        Set<String> names = new HashSet<>();
        for (EpollLoop loop : loops) {
            if (!loop.ended() && names.add(loop.name())) {
                collect(loop, sink);
            }
        }
        HelperPool.Use use = helpers.use();
        sink.gauge("blktap_helpers_running", "Helper threads that are in a blocking call.", use.running());
        sink.gauge("blktap_helpers_waiting", "Blocking calls that wait for a helper thread.", use.waiting());
        sink.limit("helpers", use.common(), use.commonMost());
    }

    private static void collect(EpollLoop loop, MetricSink sink) {
        long since = loop.busySince();
        long now = System.nanoTime();
        // a turn that does not end is seen while it lasts
        long present = since == 0 ? 0 : now - since;
        TurnCounters counters = loop.counters();
        String name = loop.name();
        sink.counter("blktap_loop_turns", "Turns of a loop.", counters.turns(), "loop", name);
        sink.counter(
                "blktap_loop_busy_seconds",
                "Time for which a loop was awake: at work, or polling briefly before it sleeps.",
                counters.busyNanos() / NANOS,
                "loop",
                name);
        sink.gauge(
                "blktap_loop_longest_turn_seconds",
                "The longest turn of a loop in the last 30 to 60 seconds.",
                Math.max(present, counters.longestNanos(now)) / NANOS,
                "loop",
                name);
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
        if (watchdog != null) {
            watchdog.close();
        }
        helpers.shutdown();
    }
}
