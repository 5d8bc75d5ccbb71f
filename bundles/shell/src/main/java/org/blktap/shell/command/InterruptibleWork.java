package org.blktap.shell.command;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.command.Call;

/**
 * Long work that ends when its thread is interrupted, such as the examination of an image. It has a thread of its own:
 * an interrupt of the verb's thread would close the caller's connection.
 */
final class InterruptibleWork {
    private static final int POLL_MILLIS = 20;

    private InterruptibleWork() {}

    /**
     * Runs the work and waits until it has ended, also if {@code call} is cancelled: then the work is interrupted.
     *
     * @param thread the name of the work's thread
     * @throws Exception what the work throws
     */
    static <T> T run(Call call, String thread, Callable<T> work) throws Exception {
        FutureTask<T> task = new FutureTask<>(work);
        Thread worker = new Thread(task, thread);
        worker.setDaemon(true);
        worker.start();
        boolean cancelled = false;
        while (true) {
            try {
                return task.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (!cancelled && call.cancelled()) {
                    cancelled = true;
                    worker.interrupt();
                }
            } catch (ExecutionException e) {
                if (e.getCause() instanceof Error error) {
                    throw error;
                }
                throw (Exception) e.getCause();
            }
        }
    }
}
