package org.blktap.client.rbd;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * The images that are being closed, which helper threads report to the cluster; until then an image cannot be opened
 * for writing again. Any thread.
 */
final class Closings {
    /** Number of closings in progress, by image. */
    private final Map<String, Integer> underWay = new HashMap<>();

    synchronized void begin(String image) {
        underWay.merge(image, 1, Integer::sum);
    }

    synchronized void end(String image) {
        underWay.computeIfPresent(image, (name, count) -> count == 1 ? null : count - 1);
        notifyAll();
    }

    /**
     * Waits until an image is closed.
     *
     * @throws DiskException BUSY if that takes longer than {@code seconds}
     */
    synchronized void await(String image, long seconds) throws DiskException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (underWay.containsKey(image)) {
            long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            if (left <= 0) {
                throw new DiskException(
                        Reason.BUSY, "rbd:" + image + ": is still being closed; the cluster does not answer");
            }
            pause(left);
        }
    }

    /** Waits until all images are closed, for {@code seconds} at most. */
    synchronized void awaitAll(long seconds) throws DiskException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        while (!underWay.isEmpty() && left > 0) {
            pause(left);
            left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        }
    }

    private void pause(long milliseconds) throws DiskException {
        try {
            wait(milliseconds);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.BUSY, "interrupted while images of a cluster were closed", e);
        }
    }
}
