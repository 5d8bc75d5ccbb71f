package org.blktap.deploy;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.framework.startlevel.BundleStartLevel;
import org.osgi.framework.startlevel.FrameworkStartLevel;
import org.osgi.framework.wiring.BundleCapability;
import org.osgi.framework.wiring.BundleRequirement;
import org.osgi.framework.wiring.BundleRevision;

/** Finds out why a bundle is not active, without trying to start it. */
public final class BundleDiagnosis {
    private BundleDiagnosis() {}

    /** Returns the reason in one line. */
    public static String why(Bundle bundle, BundleContext bundles) {
        return switch (bundle.getState()) {
            case Bundle.ACTIVE -> "active";
            case Bundle.STARTING -> "starting";
            case Bundle.STOPPING -> "stopping";
            case Bundle.INSTALLED -> {
                List<String> missing = missing(bundle, bundles);
                yield missing.isEmpty()
                        ? "installed, not resolved: what it needs conflicts; resolve it in blktap shell to see how"
                        : "nothing provides " + String.join(", ", missing);
            }
            case Bundle.RESOLVED ->
                isFragment(bundle)
                        ? "a fragment, attached"
                        : isLater(bundle, bundles)
                                ? "its start level is not reached"
                                : "stopped, or its start failed; the daemon's log says why";
            default -> "uninstalled";
        };
    }

    public static boolean isFragment(Bundle bundle) {
        BundleRevision revision = bundle.adapt(BundleRevision.class);
        return revision != null && (revision.getTypes() & BundleRevision.TYPE_FRAGMENT) != 0;
    }

    /** Whether the framework has not reached the bundle's start level yet, which is not a failure. */
    public static boolean isLater(Bundle bundle, BundleContext bundles) {
        return bundle.getState() == Bundle.RESOLVED
                && bundle.adapt(BundleStartLevel.class).getStartLevel()
                        > bundles.getBundle(0).adapt(FrameworkStartLevel.class).getStartLevel();
    }

    private static List<String> missing(Bundle bundle, BundleContext bundles) {
        List<String> missing = new ArrayList<>();
        for (BundleRequirement requirement : bundle.adapt(BundleRevision.class).getDeclaredRequirements(null)) {
            boolean optional = Constants.RESOLUTION_OPTIONAL.equals(
                    requirement.getDirectives().get(Constants.RESOLUTION_DIRECTIVE));
            String effective = requirement
                    .getDirectives()
                    .getOrDefault(Constants.EFFECTIVE_DIRECTIVE, Constants.EFFECTIVE_RESOLVE);
            if (!optional && effective.equals(Constants.EFFECTIVE_RESOLVE) && !provided(requirement, bundles)) {
                missing.add(inWords(
                        requirement.getNamespace(),
                        requirement.getDirectives().getOrDefault(Constants.FILTER_DIRECTIVE, "")));
            }
        }
        return missing;
    }

    /**
     * A requirement in the form of manifests, {@code package org.example [1.0,2.0)}; with its filter if that has more
     * than a name and versions.
     */
    static String inWords(String namespace, String filter) {
        String kind = namespace.replaceFirst("^osgi\\.wiring\\.", "");
        Matcher simple = Pattern.compile("(?:\\(&)?\\(" + Pattern.quote(namespace)
                        + "=([^()*]+)\\)(?:\\((?:bundle-)?version(>?=)([^()]+)\\))?"
                        + "(?:\\(!\\((?:bundle-)?version>=([^()]+)\\)\\))?\\)?")
                .matcher(filter);
        if (!simple.matches()) {
            return kind + " " + filter;
        }
        String least = simple.group(3);
        String below = simple.group(4);
        return kind + " " + simple.group(1)
                + (below != null
                        ? " [" + (least == null ? "0" : least) + "," + below + ")"
                        : least == null ? "" : " " + least + (simple.group(2).equals("=") ? "" : " or newer"));
    }

    private static boolean provided(BundleRequirement requirement, BundleContext bundles) {
        for (Bundle bundle : bundles.getBundles()) {
            BundleRevision revision = bundle.adapt(BundleRevision.class);
            if (revision == null) {
                continue;
            }
            for (BundleCapability capability : revision.getDeclaredCapabilities(requirement.getNamespace())) {
                if (requirement.matches(capability)) {
                    return true;
                }
            }
        }
        return false;
    }
}
