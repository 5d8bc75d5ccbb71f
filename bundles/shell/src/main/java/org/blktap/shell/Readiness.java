package org.blktap.shell;

import org.blktap.api.control.Attachments;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;

/**
 * Whether the framework has started all that it must start. The jars in deploy/ are among it: File Install starts them within
 * its own start, which comes before that of the commands. A jar that does not start keeps nothing from being ready.
 */
public final class Readiness {
    private static volatile boolean checked = true;

    private Readiness() {
    }

    /** From now on until {@link #checked} nothing is ready. */
    static void unchecked() {
        checked = false;
    }

    /** A trial has shown that disks can be opened. */
    static void checked() {
        checked = true;
    }

    /**
     * The framework is active once it has reached its last start level; then what was attached before is opened again.
     *
     * @param attachments null if there is no core, which keeps nothing from being ready
     */
    public static boolean reached(BundleContext context, Attachments attachments) {
        return checked && context.getBundle(0).getState() == Bundle.ACTIVE && (attachments == null || attachments.settled());
    }
}
