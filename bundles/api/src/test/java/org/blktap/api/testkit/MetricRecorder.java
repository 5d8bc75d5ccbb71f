package org.blktap.api.testkit;

import java.util.Map;
import java.util.TreeMap;
import org.blktap.api.metrics.Distribution;
import org.blktap.api.metrics.MetricSink;

/** Keeps the figures of a source, each by its name and labels as {@code name{label=value,…}}. One thread. */
public final class MetricRecorder implements MetricSink {
    /** Numbers. */
    public final Map<String, Double> values = new TreeMap<>();

    public final Map<String, Distribution> distributions = new TreeMap<>();

    private static String key(String name, String... labels) {
        StringBuilder key = new StringBuilder(name);
        for (int i = 0; i < labels.length; i += 2) {
            key.append(i == 0 ? '{' : ',').append(labels[i]).append('=').append(labels[i + 1]);
        }
        return key.append(labels.length == 0 ? "" : "}").toString();
    }

    private static <T> void put(Map<String, T> to, String key, T value) {
        if (to.put(key, value) != null) {
            throw new AssertionError(key + " is given twice");
        }
    }

    @Override
    public void counter(String name, String help, double value, String... labels) {
        put(values, key(name, labels), value);
    }

    @Override
    public void gauge(String name, String help, double value, String... labels) {
        put(values, key(name, labels), value);
    }

    @Override
    public void unknown(String name, String help, double value, String... labels) {
        put(values, key(name, labels), value);
    }

    @Override
    public void histogram(String name, String help, Distribution of, String... labels) {
        put(distributions, key(name, labels), of);
    }
}
