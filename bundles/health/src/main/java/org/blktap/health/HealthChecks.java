package org.blktap.health;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.felix.hc.api.HealthCheck;
import org.apache.felix.hc.api.Result;
import org.apache.felix.hc.api.ResultLog;
import org.apache.felix.hc.api.execution.HealthCheckExecutionOptions;
import org.apache.felix.hc.api.execution.HealthCheckExecutionResult;
import org.apache.felix.hc.api.execution.HealthCheckExecutor;
import org.apache.felix.hc.api.execution.HealthCheckSelector;
import org.blktap.api.disk.Printable;
import org.blktap.api.health.Health;
import org.blktap.api.health.HealthReport;
import org.blktap.api.health.HealthReport.Check;
import org.blktap.api.health.HealthReport.Status;
import org.osgi.service.component.ComponentContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * Runs the {@link HealthCheck}s of all bundles by the executor of Felix, which runs them in parallel with a time limit
 * for each, and runs none again that has not ended.
 */
@Component(service = Health.class)
public final class HealthChecks implements Health {
    private static final int TEXT_LENGTH = 1000;

    private final HealthCheckExecutor executor;
    private final Runnable hold;
    private final AtomicBoolean held = new AtomicBoolean();

    @Activate
    public HealthChecks(ComponentContext context, @Reference HealthCheckExecutor executor) {
        this(executor, () -> context.getBundleContext().getService(context.getServiceReference()));
    }

    /** @param hold called with the first check */
    HealthChecks(HealthCheckExecutor executor, Runnable hold) {
        this.executor = executor;
        this.hold = hold;
    }

    @Override
    public HealthReport check() {
        // keeps this component, and with it the executor, which knows the checks that hang, when nobody uses it
        if (held.compareAndSet(false, true)) {
            hold.run();
        }
        List<Check> checks = new ArrayList<>();
        // all checks that have a tag, and not from the cache: an operator asks after a change
        for (HealthCheckExecutionResult each : executor.execute(
                HealthCheckSelector.tags("*"), new HealthCheckExecutionOptions().setForceInstantExecution(true))) {
            checks.add(check(each));
        }
        checks.sort(Comparator.comparing(Check::name));
        return HealthReport.of(checks);
    }

    private static Check check(HealthCheckExecutionResult result) {
        Status worst = result.hasTimedOut()
                ? Status.CRITICAL
                : status(result.getHealthCheckResult().getStatus());
        List<ResultLog.Entry> entries = new ArrayList<>();
        for (ResultLog.Entry each : result.getHealthCheckResult()) {
            if (!each.isDebug()) {
                entries.add(each);
            }
        }
        entries.sort(Comparator.comparing(ResultLog.Entry::getStatus).reversed());
        return new Check(
                result.getHealthCheckMetadata().getTitle(),
                worst,
                entries.stream()
                        .map(each -> Printable.of(each.getMessage(), TEXT_LENGTH))
                        .toList(),
                result.getElapsedTimeInMs());
    }

    private static Status status(Result.Status status) {
        return switch (status) {
            case OK -> Status.OK;
            case WARN, TEMPORARILY_UNAVAILABLE -> Status.WARN;
            default -> Status.CRITICAL;
        };
    }
}
