package org.blktap.shell;

import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import org.blktap.shell.command.Verbs;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/** Says in the log when the daemon is ready, and how long that took from the start of the process. */
@Component(service = {}, immediate = true)
public final class ReadyLog {
    private static final int POLL_MILLIS = 10;

    private final BundleContext bundles;
    private final ControlServices services;
    private final Thread waiter = new Thread(this::await, "blktap-ready");

    @Activate
    public ReadyLog(BundleContext bundles, @Reference ControlServices services) {
        this.bundles = bundles;
        this.services = services;
        waiter.setDaemon(true);
        waiter.start();
    }

    private void await() {
        try {
            while (!Readiness.reached(bundles, services.attachments())) {
                Thread.sleep(POLL_MILLIS);
            }
        } catch (InterruptedException | IllegalStateException e) {
            // ended before it was ready
            return;
        }
        Instant start = ProcessHandle.current().info().startInstant().orElse(Instant.now());
        double seconds = Duration.between(start, Instant.now()).toMillis() / 1000.0;
        System.Logger log = System.getLogger("org.blktap.shell");
        if (services.complete()) {
            log.log(Level.INFO, String.format(Locale.ROOT, "blktap %s ready in %.1f s (pid %d)", Verbs.version(), seconds,
                    ProcessHandle.current().pid()));
        } else {
            log.log(Level.ERROR, "blktap " + Verbs.version() + " has started without its core; blktap diag tells why");
        }
    }

    @Deactivate
    public void stop() {
        waiter.interrupt();
    }
}
