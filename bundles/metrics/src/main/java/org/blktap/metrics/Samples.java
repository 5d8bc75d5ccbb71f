package org.blktap.metrics;

import io.prometheus.metrics.model.snapshots.Labels;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.blktap.api.metrics.Distribution;
import org.blktap.api.metrics.MetricSink;

/** The figures that one source has given. */
final class Samples implements MetricSink {
    /** The most figures of a source. A daemon with 1000 disks has fewer; a source with more is faulty. */
    static final int MOST = 200_000;

    private static final Pattern NAME = Pattern.compile("blktap_[a-z][a-z0-9_]*");
    private static final int VALUE_CHARACTERS = 200;

    private final List<Sample> all = new ArrayList<>();

    /** The kinds of figures. */
    enum Kind {
        COUNTER,
        GAUGE,
        UNKNOWN,
        HISTOGRAM
    }

    /**
     * A figure.
     *
     * @param value 0 for a histogram
     * @param values the values of a histogram, otherwise null
     */
    record Sample(Kind kind, String name, String help, double value, Distribution values, Labels labels) {}

    List<Sample> all() {
        return all;
    }

    @Override
    public void counter(String name, String help, double value, String... labels) {
        add(Kind.COUNTER, name, help, value, null, labels);
    }

    @Override
    public void gauge(String name, String help, double value, String... labels) {
        add(Kind.GAUGE, name, help, value, null, labels);
    }

    @Override
    public void unknown(String name, String help, double value, String... labels) {
        add(Kind.UNKNOWN, name, help, value, null, labels);
    }

    @Override
    public void histogram(String name, String help, Distribution values, String... labels) {
        add(Kind.HISTOGRAM, name, help, 0, values, labels);
    }

    private void add(Kind kind, String name, String help, double value, Distribution values, String... labels) {
        if (all.size() == MOST) {
            throw new IllegalStateException("more than " + MOST + " figures");
        }
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("the name " + name + ": expected " + NAME);
        }
        for (int i = 1; i < labels.length; i += 2) {
            if (labels[i].length() > VALUE_CHARACTERS) {
                throw new IllegalArgumentException(name + ": a label of " + labels[i].length() + " characters");
            }
        }
        all.add(new Sample(kind, name, help, value, values, Labels.of(labels)));
    }
}
