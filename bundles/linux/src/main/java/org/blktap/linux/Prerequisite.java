package org.blktap.linux;

import java.util.Hashtable;
import java.util.Map;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.condition.Condition;

/**
 * Something that components need and that a machine may lack, such as a library. While it is present, a service with
 * the property {@code osgi.condition.id} = ID is registered, to which these components refer. While it is absent, a
 * {@link Condition} with the id ID{@value #ABSENT} has the property {@value #REASON}, which {@code diag} and
 * {@code engines} show. Before the first call neither is registered. {@link #present} and {@link #absent} must not be
 * called at the same time; {@link #close} may be called at any time.
 */
public final class Prerequisite implements AutoCloseable {
    /** Suffix of the id of the condition for absence. */
    public static final String ABSENT = ".absent";
    /** Service property of that condition: the reason, in one line. */
    public static final String REASON = "reason";

    private final BundleContext bundles;
    private final String id;
    private ServiceRegistration<?> registration;

    public Prerequisite(BundleContext bundles, String id) {
        this.bundles = bundles;
        this.id = id;
    }

    /**
     * Reports whether a library is present.
     *
     * @param missing why it cannot be used; null if it can
     * @param debianPackage the name of the package that has it
     */
    public void library(String missing, String debianPackage) {
        if (missing == null) {
            present();
        } else {
            absent(missing + "; Debian has it in the package " + debianPackage);
        }
    }

    /**
     * Reports that the prerequisite is present: components that refer to a {@link Condition} of this id become active
     * before this returns.
     */
    public void present() {
        present(Condition.class, Condition.INSTANCE);
    }

    /** Reports that the prerequisite is present, as a service that components use. */
    public <T> void present(Class<T> type, T service) {
        become(type, service, Map.of(Condition.CONDITION_ID, id));
    }

    /** Reports that the prerequisite is absent: components that refer to it are inactive when this returns. */
    public void absent(String reason) {
        become(Condition.class, Condition.INSTANCE, Map.of(Condition.CONDITION_ID, id + ABSENT, REASON, reason));
    }

    private <T> void become(Class<T> type, T service, Map<String, String> properties) {
        close();
        ServiceRegistration<T> next = bundles.registerService(type, service, new Hashtable<>(properties));
        synchronized (this) {
            registration = next;
        }
    }

    /** Removes both: the state is unknown, as before the first call. */
    @Override
    public void close() {
        ServiceRegistration<?> going;
        synchronized (this) {
            going = registration;
            registration = null;
        }
        if (going != null) {
            going.unregister();
        }
    }
}
