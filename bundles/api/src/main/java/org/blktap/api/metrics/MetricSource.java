package org.blktap.api.metrics;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A service that gives figures of a part of the daemon when it is asked. Any bundle may register one; without a bundle
 * that asks, it costs nothing.
 */
@ConsumerType
public interface MetricSource {
    /**
     * Gives the present figures. On any thread but a loop, one call at a time. It waits for nobody longer than a part
     * of a second: figures that come late are left out.
     */
    void collect(MetricSink sink);
}
