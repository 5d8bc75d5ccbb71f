package org.blktap.shell.server;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.blktap.api.control.Attachments;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.settings.Directories;
import org.blktap.shell.Readiness;
import org.blktap.shell.client.Client;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.launch.ClassArchive;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.FrameworkListener;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/**
 * When the framework has started, checks that disks can be attached, or ends the daemon. Then waits until all earlier
 * attachments are open again, registers the {@link Readiness} and logs how long that took. By then the jars in deploy/
 * have started too: File Install starts them within its own start, which comes before that of the commands. A jar that
 * does not start does not keep the daemon from being ready.
 */
@Component(
        service = {},
        immediate = true)
public final class ReadyLog implements FrameworkListener {
    private final BundleContext bundles;
    private final ControlServices services;
    private final Directories directories;
    private final ServiceReport report;
    private final Consumer<String> launcher;
    private final AtomicBoolean begun = new AtomicBoolean();
    /** Receives that the daemon is ready; null while nobody keeps events. */
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile Events events;

    private volatile Process archiver;
    private volatile boolean stopped;

    /** @param launcher ends the daemon; null if another program has launched the framework, which is then not ended */
    @Activate
    public ReadyLog(
            BundleContext bundles,
            @Reference ControlServices services,
            @Reference Directories directories,
            @Reference ServiceReport report,
            @Reference(cardinality = ReferenceCardinality.OPTIONAL, target = "(blktap.launcher=failure)")
                    Consumer<String> launcher) {
        this.bundles = bundles;
        this.services = services;
        this.directories = directories;
        this.report = report;
        this.launcher = launcher;
        bundles.addFrameworkListener(this);
        if (bundles.getBundle(0).getState() == Bundle.ACTIVE) {
            begin();
        }
    }

    /** The framework is active once it has reached its last start level. */
    @Override
    public void frameworkEvent(FrameworkEvent event) {
        if (event.getType() == FrameworkEvent.STARTED) {
            begin();
        }
    }

    /** Starts the check on a thread of its own: it does I/O, which must not hold up the framework's events. */
    private void begin() {
        if (begun.compareAndSet(false, true)) {
            Thread thread = new Thread(this::check, "blktap-ready");
            thread.setDaemon(true);
            thread.start();
        }
    }

    private void check() {
        try {
            String failure = launcher == null ? null : failure();
            if (failure != null) {
                launcher.accept(failure);
                return;
            }
            Attachments attachments = services.attachments();
            if (attachments == null) {
                ready();
            } else {
                attachments.settled().thenRun(this::ready);
            }
        } catch (InterruptedException | IllegalStateException e) {
            // the daemon ends before it is ready
            return;
        }
    }

    private void ready() {
        if (stopped) {
            return;
        }
        Readiness.announce(bundles);
        Instant start = ProcessHandle.current().info().startInstant().orElse(Instant.now());
        // String.format of a fraction would cost a start more than all the other work of this method
        long tenths = (Duration.between(start, Instant.now()).toMillis() + 50) / 100;
        String seconds = tenths / 10 + "." + tenths % 10;
        long pid = ProcessHandle.current().pid();
        System.getLogger("org.blktap.shell")
                .log(Level.INFO, "blktap " + Verbs.version() + " ready in " + seconds + " s (pid " + pid + ")");
        Events to = events;
        if (to != null) {
            to.publish(
                    Event.READY,
                    "",
                    "blktap " + Verbs.version() + " is ready after " + seconds + " s, pid " + pid,
                    Map.of("version", Verbs.version(), "pid", pid));
        }
        report.ready();
        if (launcher != null) {
            archiver = ClassArchive.of(directories).ready();
        }
    }

    /** Why no disk could be attached, or null. */
    private String failure() throws InterruptedException {
        if (!services.complete()) {
            return "the core is not active: " + services.whyIncomplete();
        }
        Path socket = directories.run().resolve(Client.SOCKET);
        try {
            if (!Files.readAttributes(socket, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                    .isOther()) {
                return socket + ": is in the way of the control socket; remove it";
            }
        } catch (IOException e) {
            return socket + ": the control socket could not be made";
        }
        return new SelfCheck(
                        service(LoopFactory.class),
                        service(NativeMemory.class),
                        service(IoEngine.class),
                        directories.data().resolve("tmp"))
                .failure();
    }

    private <T> T service(Class<T> type) {
        ServiceReference<T> reference = bundles.getServiceReference(type);
        return reference == null ? null : bundles.getService(reference);
    }

    @Deactivate
    public void stop() {
        stopped = true;
        bundles.removeFrameworkListener(this);
        Process making = archiver;
        if (making != null) {
            making.destroy();
        }
    }
}
