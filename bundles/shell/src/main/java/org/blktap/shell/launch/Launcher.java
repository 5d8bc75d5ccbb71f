package org.blktap.shell.launch;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.LogManager;
import org.apache.felix.framework.FrameworkFactory;
import org.apache.felix.main.Main;
import org.blktap.api.settings.Setting;
import org.blktap.deploy.BundleDiagnosis;
import org.blktap.shell.NativeLibraries;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.launch.Framework;

/**
 * The daemon's main class. Checks what the machine must give, starts the framework, and sees to it that all of the platform is active;
 * whatever prevents the start is one line, and exit status 1. Logs the start and the end by steps.
 */
public final class Launcher {
    /** System property by which the bundles say why the daemon cannot continue; they stop the framework then. */
    public static final String FAILURE = "blktap.failure";
    /** System property that is set where this class runs the framework, which may then be stopped by its bundles. */
    public static final String LAUNCHED = "blktap.launched";
    private static final Logger LOG = System.getLogger("org.blktap");
    private static final int FAILED = 1;
    /** Time in which a failed start closes what it has opened. */
    private static final int STOP_MILLIS = 30_000;
    /** The same after a signal. */
    private static final int SIGNALLED_MILLIS = 85_000;

    private final Path home = Path.of(System.getProperty("blktap.home"));
    private final Path deploy = Path.of(System.getProperty("blktap.deploy.dir"));
    private Framework framework;
    private volatile boolean signalled;

    private Launcher() {
    }

    public static void main(String[] arguments) throws InterruptedException {
        startLog();
        System.setProperty(LAUNCHED, "true");
        Launcher launcher = new Launcher();
        try {
            launcher.start();
        } catch (IOException | BundleException | RuntimeException e) {
            launcher.fail(e.getMessage() == null ? e.toString() : e.getMessage());
        }
        launcher.waitForEnd();
    }

    /**
     * Makes the log's handlers before the framework starts: gogo puts streams of its own in the place of System.err, and a handler that is made
     * later would write to whichever client's command it runs for.
     */
    private static void startLog() {
        RepeatFilter filter = new RepeatFilter(Setting.number(RepeatFilter.LIMIT, RepeatFilter.DEFAULT_LIMIT, 1, 1_000_000), System::nanoTime);
        Handler[] handlers = java.util.logging.Logger.getLogger("").getHandlers();
        for (Handler each : handlers) {
            each.setFilter(filter);
        }
        ScheduledExecutorService flusher = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "blktap-log");
            thread.setDaemon(true);
            return thread;
        });
        flusher.scheduleWithFixedDelay(() -> {
            for (Handler each : handlers) {
                filter.flush(each);
            }
        }, 1, 1, TimeUnit.SECONDS);
        if (LogManager.getLogManager() instanceof DaemonLogManager manager) {
            manager.started();
        }
        RawOutput.install();
    }

    private void start() throws IOException, BundleException {
        Path data = Path.of(System.getProperty("blktap.data.dir"));
        Path run = Path.of(System.getProperty("blktap.run.dir"));
        if (ClassArchive.trial()) {
            ClassArchive.limitTrial();
        }
        LOG.log(Level.INFO, "starting on Java " + System.getProperty("java.version") + ": sockets in " + run + ", data in " + data);
        new Requirements(home, data, run, deploy).check();
        NativeLibraries.use(home);
        Map<String, Object> configuration = new HashMap<>();
        Map<String, String> read = Main.loadConfigProperties();
        if (read == null) {
            throw new IOException(home.resolve("conf/config.properties") + ": cannot be read");
        }
        Main.copySystemProperties(read);
        if (ClassArchive.trial()) {
            // a XenStore shows each daemon the same guests
            read.put(Platform.LEVEL + ".node-xen", Integer.toString(Platform.NEVER));
        }
        configuration.putAll(read);
        configuration.put("felix.log.logger", new FrameworkLog());
        framework = new FrameworkFactory().newFramework(configuration);
        framework.init();
        Runtime.getRuntime().addShutdownHook(new Thread(this::stop, "blktap-stop"));
        Platform platform = new Platform(framework.getBundleContext(), read);
        platform.install(home.resolve("bundle"));
        framework.start();
        platform.check();
        reportDeployed();
    }

    /** A jar of {@code deploy/} that does not work keeps nothing else from working. */
    private void reportDeployed() {
        for (Bundle bundle : framework.getBundleContext().getBundles()) {
            if (bundle.getState() < Bundle.STARTING && !BundleDiagnosis.isFragment(bundle)
                    && !BundleDiagnosis.isLater(bundle, framework.getBundleContext())) {
                LOG.log(Level.WARNING, bundle.getSymbolicName() + " " + bundle.getVersion() + " is not active: "
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
        String failure = System.getProperty(FAILURE);
        if (failure != null) {
            fail(failure);
        }
        if (!signalled) {
            System.exit(0);
        }
    }

    /** Closes what has been attached already, and ends the process. */
    private void fail(String why) throws InterruptedException {
        System.setProperty(FAILURE, why);
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
        if (framework.getState() == Bundle.RESOLVED || System.getProperty(FAILURE) != null) {
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
