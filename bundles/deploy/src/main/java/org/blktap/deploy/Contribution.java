package org.blktap.deploy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.TapType;
import org.blktap.api.engine.EngineName;
import org.blktap.api.filter.FilterType;
import org.blktap.api.node.NodeKind;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.wiring.BundleCapability;
import org.osgi.framework.wiring.BundleRevision;

/**
 * Something that a bundle brings according to its manifest, whether the bundle is started or not.
 *
 * @param implementation the class of the component that provides it; empty if the manifest does not say
 */
public record Contribution(Kind kind, String name, String summary, String implementation, Bundle bundle) {
    /** The kinds of contributions, in the order of listings. */
    public enum Kind {
        TYPE(TapType.NAMESPACE, TapType.NAMESPACE, "tap.type"),
        NODE(NodeKind.NAMESPACE, NodeKind.NAMESPACE, "node.kind"),
        FILTER(FilterType.NAMESPACE, FilterType.NAMESPACE, "filter.type"),
        ENGINE(EngineName.NAMESPACE, EngineName.NAMESPACE, "engine.name"),
        VERB(VerbDeclaration.NAMESPACE, "name", "verb.name");

        private final String namespace;
        private final String attribute;
        private final String property;

        /**
         * @param attribute of the capability, with the name
         * @param property of the service, with the name
         */
        Kind(String namespace, String attribute, String property) {
            this.namespace = namespace;
            this.attribute = attribute;
            this.property = property;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Returns everything that a bundle brings, by kind, in the order of its manifest. */
    public static List<Contribution> of(Bundle bundle) {
        List<Contribution> all = new ArrayList<>();
        BundleRevision revision = bundle.adapt(BundleRevision.class);
        for (Kind kind : Kind.values()) {
            for (BundleCapability each :
                    revision == null ? List.<BundleCapability>of() : revision.getDeclaredCapabilities(kind.namespace)) {
                if (each.getAttributes().get(kind.attribute) instanceof String name) {
                    all.add(new Contribution(kind, name, text(each, "summary"), text(each, "class"), bundle));
                }
            }
        }
        return all;
    }

    private static String text(BundleCapability capability, String attribute) {
        return capability.getAttributes().get(attribute) instanceof String text ? text : "";
    }

    /** Returns everything that the installed bundles bring. */
    public static List<Contribution> ofAll(BundleContext bundles) {
        return Arrays.stream(bundles.getBundles())
                .flatMap(each -> of(each).stream())
                .toList();
    }

    /**
     * Returns a line for each thing that a bundle brings and another bundle brings too.
     *
     * @param name the symbolic name of the bundle, or of the bundle that it will replace
     */
    static List<String> broughtTwice(Bundle bundle, String name, BundleContext bundles) {
        List<Contribution> own = of(bundle);
        List<Contribution> others = own.isEmpty()
                ? own
                : ofAll(bundles).stream()
                        .filter(each -> !each.bundle.equals(bundle) && !name.equals(each.bundle.getSymbolicName()))
                        .toList();
        List<String> twice = new ArrayList<>();
        for (Contribution each : own) {
            others.stream()
                    .filter(other -> other.kind == each.kind && other.name.equals(each.name))
                    .forEach(
                            other -> twice.add(
                                    name + " brings " + each + ", as " + bundle(other.bundle)
                                            + " does: the one of higher service.ranking is used, of equal ones the one that was there first"));
        }
        return twice;
    }

    /** Whether the service of the contribution is registered. */
    public boolean present() {
        var services = bundle.getRegisteredServices();
        return services != null
                && Arrays.stream(services).anyMatch(each -> name.equals(each.getProperty(kind.property)));
    }

    /** Symbolic name and version. */
    static String bundle(Bundle bundle) {
        return bundle.getSymbolicName() + " " + bundle.getVersion();
    }

    /** Returns kind and name in words: {@code type qcow2}. */
    @Override
    public String toString() {
        return kind + " " + name;
    }
}
