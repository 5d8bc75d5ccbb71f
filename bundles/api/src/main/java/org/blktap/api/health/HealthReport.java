package org.blktap.api.health;

import java.util.List;

/**
 * The results of all health checks.
 *
 * @param status the worst of them
 * @param checks by name
 */
public record HealthReport(Status status, List<Check> checks) {
    public HealthReport {
        checks = List.copyOf(checks);
    }

    /** Returns a report whose status is the worst of its checks'. */
    public static HealthReport of(List<Check> checks) {
        Status worst = Status.OK;
        for (Check each : checks) {
            worst = each.status().compareTo(worst) > 0 ? each.status() : worst;
        }
        return new HealthReport(worst, checks);
    }

    /** How well something is; each constant is worse than the one before. */
    public enum Status {
        /** All is well. */
        OK,
        /** An operator should look at it; VMs are served. */
        WARN,
        /** A VM or the daemon is not served, or soon will not be; also if a check does not answer. */
        CRITICAL
    }

    /**
     * One check.
     *
     * @param name for example {@code loops}
     * @param messages one line each: what is wrong first, each with what to do; if nothing is wrong, what was looked at
     * @param millis how long it took
     */
    public record Check(String name, Status status, List<String> messages, long millis) {
        public Check {
            messages = List.copyOf(messages);
        }
    }
}
