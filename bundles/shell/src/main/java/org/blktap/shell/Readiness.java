package org.blktap.shell;

import java.util.Map;
import org.blktap.api.control.Attachments;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.service.condition.Condition;

/**
 * The condition {@value #ID}, a service once the daemon is ready: disks can be attached, and all earlier attachments
 * are open.
 */
public final class Readiness {
    /** The condition's identifier. */
    public static final String ID = "org.blktap.ready";

    private Readiness() {}

    /** Registers the condition, until the bundle stops. */
    public static void announce(BundleContext bundles) {
        bundles.registerService(
                Condition.class, Condition.INSTANCE, FrameworkUtil.asDictionary(Map.of(Condition.CONDITION_ID, ID)));
    }

    /**
     * Whether the daemon is ready.
     *
     * @param attachments null if there is no core, which keeps nothing from being ready
     */
    public static boolean reached(BundleContext bundles, Attachments attachments) {
        try {
            return !bundles.getServiceReferences(Condition.class, "(" + Condition.CONDITION_ID + "=" + ID + ")")
                            .isEmpty()
                    && (attachments == null
                            || attachments.settled().toCompletableFuture().isDone());
        } catch (InvalidSyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
