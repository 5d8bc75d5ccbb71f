package org.blktap.health;

import java.util.concurrent.TimeUnit;
import org.apache.felix.hc.api.HealthCheck;
import org.apache.felix.hc.api.Result;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;

/** Checks whether the threads that serve disks and sockets all turn. */
@Component(
        configurationPid = HealthSettings.PID,
        property = {HealthCheck.NAME + "=loops", HealthCheck.TAGS + "=blktap"})
public final class LoopsCheck implements HealthCheck {
    private static final String PREFIX = "blktap-";

    private final LoopFactory loops;
    private volatile long mostNanos;

    @Activate
    public LoopsCheck(@Reference LoopFactory loops, HealthSettings settings) {
        this.loops = loops;
        configure(settings);
    }

    LoopsCheck(LoopFactory loops, long mostNanos) {
        this.loops = loops;
        this.mostNanos = mostNanos;
    }

    @Modified
    public void configure(HealthSettings settings) {
        mostNanos = TimeUnit.SECONDS.toNanos(settings.loop_seconds());
    }

    @Override
    public Result execute() {
        Findings findings = new Findings();
        int turning = 0;
        for (IoLoop each : loops.loops()) {
            long since = each.busySince();
            long nanos = since == 0 ? 0 : System.nanoTime() - since;
            if (nanos > mostNanos) {
                String name = each.name().startsWith(PREFIX) ? each.name().substring(PREFIX.length()) : each.name();
                findings.critical("loop " + name + " has not turned for " + TimeUnit.NANOSECONDS.toSeconds(nanos)
                        + " s: a call of a driver, engine or node blocks; blktap detach --force ends a disk");
            } else {
                turning++;
            }
        }
        return findings.result(turning + (turning == 1 ? " loop turns" : " loops turn"));
    }
}
