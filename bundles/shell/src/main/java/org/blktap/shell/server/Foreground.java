package org.blktap.shell.server;

import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import org.blktap.api.command.Screen;

/**
 * The calls that a prompt waits for; Ctrl-C ends the wait. A verb runs on its own thread, which is never interrupted:
 * an interrupt closes the channels that the thread uses, among them the caller's connection.
 */
final class Foreground {
    /** The session's variable that holds this object at a prompt. */
    static final String VARIABLE = "blktap.foreground";
    /** The exit status of an interrupted verb, the same as in shells. */
    static final int INTERRUPTED = 130;

    private static final int POLL_MILLIS = 20;
    /** Time allowed for a verb that undoes what it has begun. */
    private static final long UNDO_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final Screen screen;
    private final Set<Running> calls = ConcurrentHashMap.newKeySet();
    /** Whether the present line was interrupted: no further verb of it is started. */
    private volatile boolean interrupted;

    /** @param screen the prompt's terminal */
    Foreground(Screen screen) {
        this.screen = screen;
    }

    /** The prompt's terminal. */
    Screen screen() {
        return screen;
    }

    /** A call under way. */
    private static final class Running implements BooleanSupplier {
        private volatile long interruptedAt;

        @Override
        public boolean getAsBoolean() {
            return interruptedAt != 0;
        }
    }

    /** The work of a verb; a supplier says whether it was interrupted. */
    interface Work {
        int run(BooleanSupplier interrupted) throws Exception;
    }

    /** Called when a new line is executed. */
    void begin() {
        interrupted = false;
    }

    /** Called on Ctrl-C. */
    void interrupt() {
        interrupted = true;
        calls.forEach(each -> each.interruptedAt = System.nanoTime() | 1);
    }

    /**
     * Runs a verb and waits for it, but after {@link #interrupt} only a few seconds.
     *
     * @throws VerbFailed if it goes on without its caller, or was not started
     */
    int run(String verb, Work work) throws VerbFailed {
        Running running = new Running();
        FutureTask<Integer> task = new FutureTask<>((Callable<Integer>) () -> work.run(running));
        Thread thread = new Thread(task, "blktap-" + verb);
        thread.setDaemon(true);
        calls.add(running);
        try {
            if (interrupted) {
                throw new VerbFailed(INTERRUPTED, "blktap: interrupted");
            }
            thread.start();
            while (true) {
                try {
                    return task.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    if (running.getAsBoolean() && System.nanoTime() - running.interruptedAt > UNDO_NANOS) {
                        throw new VerbFailed(INTERRUPTED, "blktap: interrupted; " + verb + " goes on in the daemon");
                    }
                } catch (InterruptedException e) {
                    // the session ends
                    running.interruptedAt = System.nanoTime() | 1;
                } catch (ExecutionException e) {
                    throw new VerbFailed(1, "blktap: internal error: " + e.getCause());
                }
            }
        } finally {
            calls.remove(running);
        }
    }
}
