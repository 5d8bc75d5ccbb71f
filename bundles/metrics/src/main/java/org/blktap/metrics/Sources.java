package org.blktap.metrics;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.metrics.MetricSource;
import org.osgi.framework.BundleContext;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;

/**
 * The sources of figures that are registered. All are asked at the same time, each on a thread of its own. A source
 * that throws or takes too long is left out, and is not asked again before it has returned. Any thread.
 */
final class Sources implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.metrics");
    private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final int LINES_AT_ONCE = 10;
    private static final long LINE_MILLIS = 60_000;

    private final BundleContext context;
    private final LimitedLog log = new LimitedLog(LOG, "metrics", LINES_AT_ONCE, LINE_MILLIS);
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "blktap-metrics-source");
        thread.setDaemon(true);
        return thread;
    });
    /** The last question to each source; guarded by this object. */
    private final Map<ServiceReference<MetricSource>, CompletableFuture<Samples>> asked = new LinkedHashMap<>();

    Sources(BundleContext context) {
        this.context = context;
    }

    /**
     * The answers of all sources.
     *
     * @param failed by the name of a bundle, whether one of its sources gave nothing
     */
    record Answers(List<Samples> samples, Map<String, Boolean> failed) {}

    synchronized Answers ask() {
        List<ServiceReference<MetricSource>> present = present();
        asked.entrySet().removeIf(each -> each.getValue().isDone() && !present.contains(each.getKey()));
        for (ServiceReference<MetricSource> each : present) {
            CompletableFuture<Samples> last = asked.get(each);
            if (last == null || last.isDone()) {
                asked.put(each, CompletableFuture.supplyAsync(() -> collect(each), threads));
            }
        }
        long end = System.nanoTime() + ANSWER_NANOS;
        List<Samples> samples = new ArrayList<>();
        Map<String, Boolean> failed = new LinkedHashMap<>();
        for (ServiceReference<MetricSource> each : present) {
            Samples given = await(asked.get(each), end, name(each));
            failed.merge(name(each), given == null, Boolean::logicalOr);
            if (given != null) {
                samples.add(given);
            }
        }
        return new Answers(samples, failed);
    }

    private List<ServiceReference<MetricSource>> present() {
        try {
            return List.copyOf(context.getServiceReferences(MetricSource.class, null));
        } catch (InvalidSyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private Samples collect(ServiceReference<MetricSource> reference) {
        Samples samples = new Samples();
        MetricSource source = context.getService(reference);
        if (source != null) {
            try {
                source.collect(samples);
            } finally {
                context.ungetService(reference);
            }
        }
        return samples;
    }

    private Samples await(CompletableFuture<Samples> answer, long end, String name) {
        try {
            return answer.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (TimeoutException e) {
            log.log(Level.WARNING, "no figures of " + name + ": it does not return");
        } catch (ExecutionException e) {
            log.log(Level.WARNING, "no figures of " + name + ": " + e.getCause(), e.getCause());
        }
        return null;
    }

    private static String name(ServiceReference<?> reference) {
        // null when it has just been unregistered
        return reference.getBundle() == null ? "gone" : reference.getBundle().getSymbolicName();
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
