package org.blktap.metrics;

import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.instrumentation.jvm.JvmBufferPoolMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmClassLoadingMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmGarbageCollectorMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmMemoryMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmRuntimeInfoMetric;
import io.prometheus.metrics.instrumentation.jvm.ProcessMetrics;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.InfoSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot.InfoDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import org.blktap.api.disk.LimitedLog;

/** What a scrape shows: the figures of all sources, and those of the JVM and the process. Any thread. */
final class DaemonRegistry implements MultiCollector {
    private static final int LINES_AT_ONCE = 10;
    private static final long LINE_MILLIS = 60_000;

    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final Sources sources;
    private final String version;
    private final LimitedLog log =
            new LimitedLog(System.getLogger("org.blktap.metrics"), "metrics", LINES_AT_ONCE, LINE_MILLIS);

    DaemonRegistry(Sources sources, String version) {
        this.sources = sources;
        this.version = version;
        registry.register(this);
        registerJvm();
    }

    /**
     * Registers the JVM's figures, except for two of the library's: it counts threads by a search for deadlocks, which
     * stops the JVM with all loops, and allocations by a listener that it never removes.
     */
    private void registerJvm() {
        JvmBufferPoolMetrics.builder().register(registry);
        JvmClassLoadingMetrics.builder().register(registry);
        JvmGarbageCollectorMetrics.builder().register(registry);
        JvmMemoryMetrics.builder().register(registry);
        JvmRuntimeInfoMetric.builder().register(registry);
        ProcessMetrics.builder().register(registry);
        GaugeWithCallback.builder()
                .name("jvm_threads_current")
                .help("Current thread count of a JVM")
                .callback(
                        value -> value.call(ManagementFactory.getThreadMXBean().getThreadCount()))
                .register(registry);
    }

    PrometheusRegistry registry() {
        return registry;
    }

    @Override
    public MetricSnapshots collect() {
        Sources.Answers answers = sources.ask();
        Families families = new Families();
        for (Samples each : answers.samples()) {
            String refused = families.add(each);
            if (refused != null) {
                log.log(Level.WARNING, refused + " is given twice with the same labels, or as another kind");
            }
        }
        Samples own = new Samples();
        answers.failed()
                .forEach((bundle, failed) -> own.gauge(
                        "blktap_source_failed",
                        "1 if figures of a bundle are missing: its code threw, or did not return in time.",
                        failed ? 1 : 0,
                        "bundle",
                        bundle));
        families.add(own);
        families.add(InfoSnapshot.builder()
                .name("blktap_build")
                .help("The version of the daemon.")
                .dataPoint(InfoDataPointSnapshot.builder()
                        .labels(Labels.of("version", version))
                        .build())
                .build());
        return families.all();
    }
}
