package org.blktap.shell;

import java.util.Map;
import org.blktap.api.control.Attachments;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.service.condition.Condition;

/** The condition {@value #ID}, a service as soon as the daemon is ready: disks can be attached, and those of its earlier life have been. */
public final class Readiness {
    /** The condition's identifier. */
    public static final String ID = "org.blktap.ready";

    private Readiness() {
    }

    /** Announces it, as long as the bundle is there. */
    static void announce(BundleContext bundles) {
        bundles.registerService(Condition.class, Condition.INSTANCE, FrameworkUtil.asDictionary(Map.of(Condition.CONDITION_ID, ID)));
    }

    /**
     * Whether the daemon is ready at this moment.
     *
     * @param attachments null if there is no core, which keeps nothing from being ready
     */
    public static boolean reached(BundleContext bundles, Attachments attachments) {
        try {
            return !bundles.getServiceReferences(Condition.class, "(" + Condition.CONDITION_ID + "=" + ID + ")").isEmpty()
                    && (attachments == null || attachments.settled().toCompletableFuture().isDone());
        } catch (InvalidSyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
