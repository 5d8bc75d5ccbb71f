package org.blktap.health;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.felix.hc.api.HealthCheck;
import org.apache.felix.hc.api.Result;
import org.blktap.api.control.Attachments;
import org.blktap.deploy.ComponentDiagnosis;
import org.blktap.deploy.Contribution;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/**
 * Checks whether there is an I/O engine, and whether each installed one is present, or absent because of the machine.
 */
@Component(property = {HealthCheck.NAME + "=engines", HealthCheck.TAGS + "=blktap"})
public final class EnginesCheck implements HealthCheck {
    private final BundleContext bundles;
    private final ServiceComponentRuntime components;
    private final Attachments attachments;

    @Activate
    public EnginesCheck(
            BundleContext bundles, @Reference ServiceComponentRuntime components, @Reference Attachments attachments) {
        this.bundles = bundles;
        this.components = components;
        this.attachments = attachments;
    }

    @Override
    public Result execute() {
        Findings findings = new Findings();
        List<String> names = attachments.engines().stream()
                .map(Attachments.ServiceStatus::name)
                .toList();
        if (names.isEmpty()) {
            findings.critical("no I/O engine is present, and disks that need one are parked; blktap engines says why");
        } else {
            findings.info("present: " + String.join(", ", names));
        }
        Set<String> known = new HashSet<>(names);
        ComponentDiagnosis diagnosis = new ComponentDiagnosis(bundles, components);
        for (Contribution each : Contribution.ofAll(bundles)) {
            ComponentDiagnosis.Finding absence =
                    each.kind() != Contribution.Kind.ENGINE || !known.add(each.name()) ? null : diagnosis.absence(each);
            if (absence != null && absence.machine()) {
                findings.info("engine " + each.name() + " is absent: " + absence.why());
            } else if (absence != null) {
                findings.warn("engine " + each.name() + " is absent: " + absence.why());
            }
        }
        return findings.result("");
    }
}
