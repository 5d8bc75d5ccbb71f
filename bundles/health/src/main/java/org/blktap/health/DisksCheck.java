package org.blktap.health;

import java.util.List;
import java.util.Locale;
import org.apache.felix.hc.api.HealthCheck;
import org.apache.felix.hc.api.Result;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.StateReason.Kind;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** Checks whether an attachment is parked, or has requests that are stuck. */
@Component(property = {HealthCheck.NAME + "=disks", HealthCheck.TAGS + "=blktap"})
public final class DisksCheck implements HealthCheck {
    private final Attachments attachments;

    @Activate
    public DisksCheck(@Reference Attachments attachments) {
        this.attachments = attachments;
    }

    @Override
    public Result execute() {
        Findings findings = new Findings();
        List<AttachmentStatus> all = attachments.list();
        int running = 0;
        for (AttachmentStatus each : all) {
            String state = each.id() + " is " + each.state().name().toLowerCase(Locale.ROOT);
            String line = each.reason().isEmpty() ? state : state + ": " + each.reason();
            switch (each.state()) {
                case PARKED -> {
                    if (each.reason().kind() == Kind.OPERATOR) {
                        findings.warn(line + "; blktap resume " + each.id());
                    } else {
                        findings.critical(line + "; blktap resume " + each.id() + " tries again");
                    }
                }
                case RUNNING -> {
                    if (each.reason().isEmpty()) {
                        running++;
                    } else {
                        findings.critical(line);
                    }
                }
                default -> {
                    if (stuck(each.reason().kind())) {
                        findings.critical(line);
                    } else {
                        findings.info(line);
                    }
                }
            }
        }
        return findings.result(all.isEmpty() ? "no disk is attached" : running + " of " + all.size() + " running");
    }

    private static boolean stuck(Kind kind) {
        return kind == Kind.REQUESTS_STUCK || kind == Kind.NOT_RESPONDING;
    }
}
