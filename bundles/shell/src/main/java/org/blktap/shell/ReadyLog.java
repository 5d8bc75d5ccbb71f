package org.blktap.shell;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.settings.Setting;
import org.blktap.shell.client.Client;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.launch.ClassArchive;
import org.blktap.shell.launch.Launcher;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/** Checks that disks can be attached, and says in the log when the daemon is ready, and how long that took; or ends it. */
@Component(service = {}, immediate = true)
public final class ReadyLog {
    private static final int POLL_MILLIS = 10;

    private final BundleContext bundles;
    private final ControlServices services;
    private volatile Process archiver;
    private final Thread waiter = new Thread(this::await, "blktap-ready");

    @Activate
    public ReadyLog(BundleContext bundles, @Reference ControlServices services) {
        this.bundles = bundles;
        this.services = services;
        Readiness.unchecked();
        waiter.setDaemon(true);
        waiter.start();
    }

    private void await() {
        try {
            while (bundles.getBundle(0).getState() != Bundle.ACTIVE) {
                Thread.sleep(POLL_MILLIS);
            }
            // another framework that runs these bundles is not theirs to end
            String failure = Boolean.getBoolean(Launcher.LAUNCHED) ? failure() : null;
            if (failure != null) {
                System.setProperty(Launcher.FAILURE, failure);
                bundles.getBundle(0).stop();
                return;
            }
            Readiness.checked();
            while (!Readiness.reached(bundles, services.attachments())) {
                Thread.sleep(POLL_MILLIS);
            }
        } catch (InterruptedException | IllegalStateException | BundleException e) {
            // ended before it was ready
            return;
        }
        Instant start = ProcessHandle.current().info().startInstant().orElse(Instant.now());
        double seconds = Duration.between(start, Instant.now()).toMillis() / 1000.0;
        System.getLogger("org.blktap.shell").log(Level.INFO, String.format(Locale.ROOT, "blktap %s ready in %.1f s (pid %d)", Verbs.version(), seconds,
                ProcessHandle.current().pid()));
        if (Boolean.getBoolean(Launcher.LAUNCHED)) {
            archiver = ClassArchive.ofThisDaemon().ready();
        }
    }

    /** Why no disk could be attached, or null. */
    private String failure() throws InterruptedException {
        if (!services.complete()) {
            return "the core is not active: " + services.whyIncomplete();
        }
        Path socket = Path.of(System.getProperty("blktap.run.dir", Setting.RUN_DIRECTORY), Client.SOCKET);
        try {
            if (!Files.readAttributes(socket, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).isOther()) {
                return socket + ": is in the way of the control socket; remove it";
            }
        } catch (IOException e) {
            return socket + ": the control socket could not be made";
        }
        return new SelfCheck(service(LoopFactory.class), service(NativeMemory.class), service(IoEngine.class),
                Path.of(System.getProperty("blktap.data.dir", "data"), "tmp")).failure();
    }

    private <T> T service(Class<T> type) {
        ServiceReference<T> reference = bundles.getServiceReference(type);
        return reference == null ? null : bundles.getService(reference);
    }

    @Deactivate
    public void stop() {
        waiter.interrupt();
        Process making = archiver;
        if (making != null) {
            making.destroy();
        }
    }
}
