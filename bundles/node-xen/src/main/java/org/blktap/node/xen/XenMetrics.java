package org.blktap.node.xen;

import org.blktap.api.metrics.MetricSink;
import org.blktap.api.metrics.MetricSource;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** What all domains together take of the daemon's limits, as {@link XenLimitsVerb} shows it. */
@Component
public final class XenMetrics implements MetricSource {
    private final XenNodes nodes;

    @Activate
    public XenMetrics(@Reference XenNodes nodes) {
        this.nodes = nodes;
    }

    @Override
    public void collect(MetricSink sink) {
        XenLimitsVerb.usages(nodes.limits()).stream()
                .filter(each -> each.domain() == null)
                .forEach(each -> sink.limit("xen_" + each.what(), each.taken(), each.limit()));
    }
}
