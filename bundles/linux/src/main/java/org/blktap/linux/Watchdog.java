package org.blktap.linux;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Collection;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Feeds the service manager's watchdog while loops answer: all of them, or more than half of them. A loop answers if it
 * sleeps, or if its present turn is shorter than the watchdog's time.
 */
final class Watchdog implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.linux");
    /** How often the watchdog is fed within its time. */
    private static final int MEALS = 3;

    private final ServiceManager manager;
    private final long nanos;
    private final Supplier<Collection<EpollLoop>> loops;
    private final Thread thread;
    private volatile boolean all;
    private volatile boolean stopped;

    private Watchdog(ServiceManager manager, long nanos, Supplier<Collection<EpollLoop>> loops) {
        this.manager = manager;
        this.nanos = nanos;
        this.loops = loops;
        this.thread = new Thread(this::run, "blktap-watchdog");
        thread.setDaemon(true);
    }

    /** Starts one if the service manager asks for it (sd_watchdog_enabled(3)); null if it does not. */
    static Watchdog start(ServiceManager manager, Supplier<Collection<EpollLoop>> loops) {
        String micros = System.getenv("WATCHDOG_USEC");
        String pid = System.getenv("WATCHDOG_PID");
        boolean ours =
                pid == null || pid.equals(Long.toString(ProcessHandle.current().pid()));
        if (!manager.present() || !ours || micros == null || !micros.matches("[1-9][0-9]{0,15}")) {
            return null;
        }
        Watchdog watchdog = new Watchdog(manager, TimeUnit.MICROSECONDS.toNanos(Long.parseLong(micros)), loops);
        watchdog.thread.start();
        return watchdog;
    }

    /** Whether each loop has to answer, or more than half of them. */
    void all(boolean value) {
        all = value;
    }

    private void run() {
        boolean fed = true;
        while (!stopped) {
            boolean feed = answer(loops.get(), System.nanoTime(), nanos, all);
            if (feed) {
                manager.alive();
            } else if (fed) {
                LOG.log(Level.ERROR, "loops do not answer, the service manager is not told that all is well");
            }
            fed = feed;
            try {
                TimeUnit.NANOSECONDS.sleep(nanos / MEALS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    static boolean answer(Collection<EpollLoop> loops, long now, long nanos, boolean all) {
        int running = 0;
        int stuck = 0;
        for (EpollLoop each : loops) {
            if (each.ended()) {
                continue;
            }
            long since = each.busySince();
            running++;
            if (since != 0 && now - since > nanos) {
                stuck++;
            }
        }
        return all ? stuck == 0 : stuck == 0 || stuck * 2 < running;
    }

    @Override
    public void close() {
        stopped = true;
        thread.interrupt();
    }
}
