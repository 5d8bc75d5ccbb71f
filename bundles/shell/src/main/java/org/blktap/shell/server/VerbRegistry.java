package org.blktap.shell.server;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.shell.verbs.Catalog;
import org.blktap.shell.verbs.Declaration;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.wiring.BundleCapability;
import org.osgi.framework.wiring.BundleRevision;
import org.osgi.service.component.ComponentServiceObjects;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferenceScope;

/**
 * The verbs of all bundles, as they come and go. Of several with one name, the one with the highest ranking is used.
 */
@Component(service = VerbRegistry.class)
public final class VerbRegistry implements Catalog {
    private static final System.Logger LOG = System.getLogger("org.blktap.shell");
    /** Time allowed for the start of a bundle that declares a verb. */
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

    private static final int POLL_MILLIS = 20;

    private final BundleContext bundles;
    private final Map<ServiceReference<Verb>, Provided> provided = new ConcurrentHashMap<>();

    private record Provided(Declaration declaration, ComponentServiceObjects<Verb> objects) {}

    /** @param bundles bundles whose manifests declare verbs that may come; null for none */
    @Activate
    public VerbRegistry(BundleContext bundles) {
        this.bundles = bundles;
    }

    @Reference(
            service = Verb.class,
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            scope = ReferenceScope.PROTOTYPE_REQUIRED)
    void addVerb(
            ServiceReference<Verb> reference, ComponentServiceObjects<Verb> objects, Map<String, Object> properties) {
        try {
            provided.put(reference, new Provided(Declaration.of(properties), objects));
        } catch (IllegalArgumentException | NullPointerException e) {
            LOG.log(Level.WARNING, "a verb of " + reference.getBundle() + " cannot be used: " + e.getMessage());
        }
    }

    void removeVerb(ServiceReference<Verb> reference) {
        provided.remove(reference);
    }

    /** The verbs by name, each with the highest ranking. */
    private Map<String, Provided> best() {
        Map<String, Provided> best = new TreeMap<>();
        provided.entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(each -> best.put(each.getValue().declaration().name(), each.getValue()));
        return best;
    }

    @Override
    public List<Declaration> all() {
        return best().values().stream().map(Provided::declaration).toList();
    }

    @Override
    public Declaration find(String name) {
        long end = System.nanoTime() + PATIENCE_NANOS;
        while (true) {
            Provided found = best().get(name);
            Bundle declaring = found == null ? declaring(name) : null;
            boolean comes = declaring != null
                    && (declaring.getState() == Bundle.STARTING || declaring.getState() == Bundle.ACTIVE);
            if (found != null || !comes || System.nanoTime() - end > 0) {
                return found == null ? null : found.declaration();
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return null;
            }
        }
    }

    /** The bundle whose manifest declares a verb; null if there is none. */
    private Bundle declaring(String name) {
        for (Bundle bundle : bundles == null ? new Bundle[0] : bundles.getBundles()) {
            BundleRevision revision = bundle.adapt(BundleRevision.class);
            for (BundleCapability each : revision == null
                    ? new ArrayList<BundleCapability>()
                    : revision.getDeclaredCapabilities(VerbDeclaration.NAMESPACE)) {
                if (name.equals(each.getAttributes().get("name"))) {
                    return bundle;
                }
            }
        }
        return null;
    }

    @Override
    public String whyAbsent(String name) {
        Bundle bundle = declaring(name);
        return bundle == null
                ? null
                : "the verb " + name + " of " + bundle.getSymbolicName() + " is not there; blktap diag "
                        + bundle.getSymbolicName() + " shows why";
    }

    @Override
    public Lease lease(String name) throws DiskException {
        Provided found = best().get(name);
        Verb verb = found == null ? null : found.objects().getService();
        if (verb == null) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    found == null
                            ? "the verb " + name + " has gone"
                            : "the verb " + name + " cannot be made; the log says why");
        }
        return new Lease() {
            @Override
            public Verb verb() {
                return verb;
            }

            @Override
            public void close() {
                try {
                    found.objects().ungetService(verb);
                } catch (IllegalArgumentException | IllegalStateException e) {
                    // its bundle has gone, and the object with it
                    LOG.log(Level.DEBUG, name + ": " + e.getMessage());
                }
            }
        };
    }
}
