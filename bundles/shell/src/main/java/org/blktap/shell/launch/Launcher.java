package org.blktap.shell.launch;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.logging.Handler;
import java.util.logging.LogManager;
import org.apache.felix.framework.FrameworkFactory;
import org.apache.felix.main.Main;
import org.blktap.api.settings.Directories;
import org.blktap.deploy.BundleDiagnosis;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.launch.Framework;

/**
 * The daemon's main class. Checks what the machine must give, starts the framework, and sees to it that all of the
 * platform is active; whatever prevents the start is one line, and exit status 1. Logs the start and the end by steps.
 */
public final class Launcher {
    /**
     * Property of the launcher's services for bundles. These have types of the JDK, because the launcher's own classes
     * are not those of the bundles.
     */
    private static final String SERVICE = "blktap.launcher";

    private static final Logger LOG = System.getLogger("org.blktap");
    private static final int FAILED = 1;
    /** Time in which a failed start closes what it has opened. */
    private static final int STOP_MILLIS = 30_000;
    /** The same after a signal. */
    private static final int SIGNALLED_MILLIS = 85_000;

    private final Directories directories = LaunchOptions.directories();
    private final RepeatFilter repeats = new RepeatFilter(RepeatFilter.DEFAULT_LIMIT, System::nanoTime);
    private Framework framework;
    /** Why the daemon cannot continue, or null. */
    private final AtomicReference<String> failure = new AtomicReference<>();

    /** Zero once the platform has been checked: a stop before that would look like a platform that is not active. */
    private final CountDownLatch checked = new CountDownLatch(1);

    private volatile boolean signalled;

    private Launcher() {}

    public static void main(String[] arguments) throws InterruptedException {
        Launcher launcher = new Launcher();
        launcher.startLog();
        try {
            launcher.start();
        } catch (IOException | BundleException | RuntimeException e) {
            launcher.fail(e.getMessage() == null ? e.toString() : e.getMessage());
        }
        launcher.waitForEnd();
    }

    /**
     * Makes the log's handlers before the framework starts: gogo puts streams of its own in the place of System.err,
     * and a handler that is made later would write to whichever client's command it runs for.
     */
    private void startLog() {
        Handler[] handlers = java.util.logging.Logger.getLogger("").getHandlers();
        for (Handler each : handlers) {
            each.setFilter(repeats);
        }
        ScheduledExecutorService flusher = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "blktap-log");
            thread.setDaemon(true);
            return thread;
        });
        flusher.scheduleWithFixedDelay(
                () -> {
                    for (Handler each : handlers) {
                        repeats.flush(each);
                    }
                },
                1,
                1,
                TimeUnit.SECONDS);
        if (LogManager.getLogManager() instanceof DaemonLogManager manager) {
            manager.started();
        }
        RawOutput.install();
    }

    private void start() throws IOException, BundleException {
        Path home = directories.home();
        if (ClassArchive.trial()) {
            ClassArchive.limitTrial();
            ClassArchive.of(directories).begin(LaunchOptions.archiveTrial());
        }
        LOG.log(
                Level.INFO,
                "starting on Java " + LaunchOptions.javaVersion() + ": sockets in " + directories.run() + ", data in "
                        + directories.data());
        new Requirements(home, directories.data(), directories.run(), directories.deploy()).check();
        // an unreadable file ends the start: without its settings disks could be missing
        Map<String, Map<String, Object>> settings = SettingsFile.read(LaunchOptions.settings());
        NativeLibraries.use(home);
        Map<String, Object> configuration = new HashMap<>();
        Map<String, String> read = Main.loadConfigProperties();
        if (read == null) {
            throw new IOException(home.resolve("conf/config.properties") + ": cannot be read");
        }
        Main.copySystemProperties(read);
        if (ClassArchive.trial()) {
            // each daemon on a XenStore would see the same guests
            read.put(Platform.LEVEL + ".node-xen", Integer.toString(Platform.NEVER));
        }
        configuration.putAll(read);
        configuration.putAll(LaunchOptions.forFramework());
        configuration.put("felix.log.logger", new FrameworkLog());
        framework = new FrameworkFactory().newFramework(configuration);
        framework.init();
        Runtime.getRuntime().addShutdownHook(new Thread(this::stop, "blktap-stop"));
        serve(settings);
        if (LaunchOptions.reloadsOnHangUp()) {
            HangUp.handle(this::reload);
        }
        Platform platform = new Platform(framework.getBundleContext(), read);
        platform.install(home.resolve("bundle"));
        framework.start();
        platform.check();
        reportDeployed();
        checked.countDown();
    }

    private void serve(Map<String, Map<String, Object>> settings) {
        AtomicReference<Map<String, Map<String, Object>>> first = new AtomicReference<>(settings);
        Callable<Map<String, Map<String, Object>>> reading = () -> {
            Map<String, Map<String, Object>> known = first.getAndSet(null);
            return known == null ? SettingsFile.read(LaunchOptions.settings()) : known;
        };
        serve(Callable.class, reading, "settings");
        serve(IntConsumer.class, repeats::limit, "repeats");
        Consumer<String> failed = this::stopFor;
        serve(Consumer.class, failed, "failure");
    }

    /** Makes a bundle read the settings again. If none can yet, they have just been read. */
    private void reload() {
        BundleContext context = framework.getBundleContext();
        try {
            for (ServiceReference<Runnable> each :
                    context.getServiceReferences(Runnable.class, "(blktap.signal=HUP)")) {
                context.getService(each).run();
            }
        } catch (InvalidSyntaxException | RuntimeException e) {
            LOG.log(Level.WARNING, "the settings could not be read again: " + e);
        }
    }

    private <S> void serve(Class<S> type, S service, String name) {
        framework.getBundleContext().registerService(type, service, new Hashtable<>(Map.of(SERVICE, name)));
    }

    /** Stops the framework after a failure that a bundle reports, unless the platform's own check has failed. */
    private void stopFor(String why) {
        try {
            checked.await();
            failure.compareAndSet(null, why);
            framework.stop();
        } catch (BundleException e) {
            LOG.log(Level.ERROR, "stopping failed: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** A jar of {@code deploy/} that does not work keeps nothing else from working. */
    private void reportDeployed() {
        for (Bundle bundle : framework.getBundleContext().getBundles()) {
            if (bundle.getState() < Bundle.STARTING
                    && !BundleDiagnosis.isFragment(bundle)
                    && !BundleDiagnosis.isLater(bundle, framework.getBundleContext())) {
                LOG.log(
                        Level.WARNING,
                        bundle.getSymbolicName() + " " + bundle.getVersion() + " is not active: "
                                + BundleDiagnosis.why(bundle, framework.getBundleContext()));
            }
        }
    }

    private void waitForEnd() throws InterruptedException {
        FrameworkEvent event;
        do {
            event = framework.waitForStop(0);
            // an update of the system bundle starts it again
        } while (event.getType() == FrameworkEvent.STOPPED_UPDATE);
        if (failure.get() != null) {
            fail(failure.get());
        }
        if (!signalled) {
            System.exit(0);
        }
    }

    /** Closes what has been attached already, and ends the process. */
    private void fail(String why) throws InterruptedException {
        failure.set(why);
        ClassArchive.proven();
        if (framework != null) {
            try {
                framework.stop();
                framework.waitForStop(STOP_MILLIS);
            } catch (BundleException e) {
                LOG.log(Level.ERROR, "stopping failed: " + e.getMessage());
            }
        }
        LOG.log(Level.ERROR, "cannot start: " + why.replaceAll("\\s*\\R\\s*", " "));
        Runtime.getRuntime().halt(FAILED);
    }

    /** Stops the daemon on a signal, in the JVM's shutdown hook. */
    private void stop() {
        if (framework.getState() == Bundle.RESOLVED || failure.get() != null) {
            return;
        }
        signalled = true;
        ClassArchive.proven();
        long begin = System.nanoTime();
        LOG.log(Level.INFO, "stopping");
        try {
            framework.stop();
            // a bundle whose activator does not return would keep the process; below the 90 s that systemd gives
            framework.waitForStop(SIGNALLED_MILLIS);
            LOG.log(Level.INFO, String.format(Locale.ROOT, "stopped in %.1f s", (System.nanoTime() - begin) / 1e9));
        } catch (BundleException e) {
            LOG.log(Level.ERROR, "stopping failed: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
