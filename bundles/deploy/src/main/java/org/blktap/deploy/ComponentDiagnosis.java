package org.blktap.deploy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.linux.Prerequisite;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;
import org.osgi.service.component.runtime.dto.UnsatisfiedReferenceDTO;

/** Finds out why components are not active, and why something that a bundle brings is absent. */
public record ComponentDiagnosis(BundleContext bundles, ServiceComponentRuntime components) {
    private static final Pattern CONDITION = Pattern.compile("\\(osgi\\.condition\\.id=([^()*]+)\\)");
    private static final String CAUSE = "Caused by: ";

    /**
     * A reason why a component is not active.
     *
     * @param why the reason, in one line
     * @param machine whether the machine lacks something that the component needs; everything else works
     */
    public record Finding(String component, String why, boolean machine) {
        /** Returns the reason in words. */
        @Override
        public String toString() {
            return machine ? "component " + component + " is not active: " + why : "component " + component + " " + why;
        }
    }

    /** Returns the components of a bundle that are not active, with the reasons. */
    public List<Finding> of(Bundle bundle) {
        List<Finding> all = new ArrayList<>();
        for (ComponentDescriptionDTO component : components.getComponentDescriptionDTOs(bundle)) {
            all.addAll(of(component));
        }
        return all;
    }

    private List<Finding> of(ComponentDescriptionDTO component) {
        List<Finding> all = new ArrayList<>();
        for (ComponentConfigurationDTO each : components.getComponentConfigurationDTOs(component)) {
            if (each.state == ComponentConfigurationDTO.FAILED_ACTIVATION) {
                all.add(new Finding(
                        component.name,
                        "failed: " + (each.failure == null ? "see the log" : cause(each.failure)),
                        false));
                continue;
            }
            for (UnsatisfiedReferenceDTO missing : each.unsatisfiedReferences) {
                String absent = absent(missing.target);
                all.add(
                        absent != null
                                ? new Finding(component.name, absent, true)
                                : new Finding(
                                        component.name,
                                        "waits for a service " + service(component, missing)
                                                + (missing.target == null ? "" : " with " + missing.target),
                                        false));
            }
        }
        return all;
    }

    private static String service(ComponentDescriptionDTO component, UnsatisfiedReferenceDTO missing) {
        return component.references == null
                ? missing.name
                : Arrays.stream(component.references)
                        .filter(each -> each.name.equals(missing.name))
                        .map(each -> each.interfaceName)
                        .findFirst()
                        .orElse(missing.name);
    }

    /**
     * Returns the reason why a {@link Prerequisite} is absent; null if the target names none, or one without a reason.
     */
    private String absent(String target) {
        Matcher condition = CONDITION.matcher(target == null ? "" : target);
        if (!condition.matches()) {
            return null;
        }
        try {
            ServiceReference<?>[] found = bundles.getServiceReferences(
                    (String) null, "(osgi.condition.id=" + condition.group(1) + Prerequisite.ABSENT + ")");
            return found != null && found[0].getProperty(Prerequisite.REASON) instanceof String reason ? reason : null;
        } catch (InvalidSyntaxException e) {
            return null;
        }
    }

    /** Returns the message of the last cause in a stack trace; those before it only show how it was passed on. */
    public static String cause(String trace) {
        return trace.lines()
                .filter(line -> line.startsWith(CAUSE))
                .reduce((first, next) -> next)
                .map(line -> line.substring(CAUSE.length()))
                .or(() -> trace.lines().findFirst())
                .orElse("see the log");
    }

    /** Returns why something that a bundle brings is absent; null if it is present. */
    public Finding absence(Contribution brought) {
        if (brought.present()) {
            return null;
        }
        Bundle bundle = brought.bundle();
        if (bundle.getState() != Bundle.ACTIVE) {
            return new Finding(
                    brought.implementation(),
                    Contribution.bundle(bundle) + " is not active: " + BundleDiagnosis.why(bundle, bundles),
                    false);
        }
        return components.getComponentDescriptionDTOs(bundle).stream()
                .filter(each -> each.implementationClass.equals(brought.implementation()))
                .flatMap(each -> of(each).stream())
                .findFirst()
                .orElseGet(() -> new Finding(
                        brought.implementation(), "is not registered by " + Contribution.bundle(bundle), false));
    }
}
