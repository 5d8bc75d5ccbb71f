package org.blktap.shell.server;

import java.lang.System.Logger.Level;
import org.blktap.api.control.Attachments;
import org.blktap.api.settings.Instance;
import org.blktap.linux.NativeHeap;
import org.blktap.shell.Readiness;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Ends an instance that was made for one disk when the disk is detached, with exit status 0; then its directories are
 * removed. Such an instance also ends if it never gets a disk. In other instances this does nothing.
 */
@Component(
        service = {},
        immediate = true)
public final class OwnProcessEnd {
    private static final System.Logger LOG = System.getLogger("org.blktap.shell");
    private static final long LOOK_MILLIS = 500;
    /** Number of looks without a disk after which the instance ends; by then the detach has been answered. */
    private static final int LOOKS_WITHOUT = 2;
    /** Number of looks within which the disk must be attached. */
    private static final int LOOKS_FOR_THE_FIRST = 120;
    /**
     * Number of looks after which memory that the start took is returned to the kernel, and between further returns.
     */
    private static final int LOOKS_UNTIL_TRIM = 4;

    private static final int LOOKS_BETWEEN_TRIMS = 120;

    private final BundleContext bundles;
    private final ControlServices services;
    private final Thread thread;

    @Activate
    public OwnProcessEnd(BundleContext bundles, @Reference ControlServices services, @Reference Instance instance) {
        this.bundles = bundles;
        this.services = services;
        thread = new Thread(this::look, "blktap-own-process");
        thread.setDaemon(true);
        if (instance.ownProcess()) {
            thread.start();
        }
    }

    private void look() {
        boolean had = false;
        int without = 0;
        int looks = 0;
        try {
            while (without < (had ? LOOKS_WITHOUT : LOOKS_FOR_THE_FIRST)) {
                Thread.sleep(LOOK_MILLIS);
                Attachments attachments = services.attachments();
                if (attachments == null || !Readiness.reached(bundles, attachments)) {
                    continue;
                }
                boolean none = attachments.list().isEmpty();
                had |= !none;
                without = none ? without + 1 : 0;
                if (++looks % LOOKS_BETWEEN_TRIMS == LOOKS_UNTIL_TRIM) {
                    NativeHeap.trim();
                }
            }
            LOG.log(Level.INFO, had ? "the disk is detached, and its process ends" : "no disk was attached");
            bundles.getBundle(0).stop();
        } catch (InterruptedException | IllegalStateException e) {
            // the daemon ends for another reason
            return;
        } catch (BundleException e) {
            LOG.log(Level.ERROR, "stopping failed: " + e.getMessage());
        }
    }

    @Deactivate
    public void stop() {
        if (Thread.currentThread() != thread) {
            thread.interrupt();
        }
    }
}
