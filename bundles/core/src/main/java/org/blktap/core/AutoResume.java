package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoLoop;

/**
 * Resumes an attachment that {@link FaultParking} has parked. Where space was missing, it is tried as soon as a file
 * system of its images has more of it. In any case it is tried after some time: not all lack of space can be seen
 * (quotas, thin volumes, servers), and a failure of storage never. Any thread.
 */
final class AutoResume {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    /** Interval of the look at file systems, one statvfs for each image; at most one attempt follows. */
    private static final long LOOK_MILLIS = 1000;
    /** The first pause between two attempts; each is twice the one before, up to the longest. */
    private static final long FIRST_SECONDS = 2;

    private static final long LONGEST_SECONDS = 60;
    /** The longest pause where space is missing: an attempt without any may leave a hole of one cluster in an image. */
    private static final long LONGEST_FOR_SPACE_SECONDS = 600;
    /** A file system has more space if it is so much more. */
    private static final long MORE_BYTES = 1 << 20;
    /** Free bytes that are not known: no number is more. */
    private static final long UNKNOWN = Long.MAX_VALUE;

    private final Attachment attachment;
    private final Operations operations;
    private final AttachmentDisk disk;
    private final IoLoop loop;
    private final Executor threads;
    private List<Path> places = List.of();
    private boolean looking;
    private long pauseSeconds;
    private long nextAttempt;
    /** The least free bytes since the last attempt. */
    private long free;

    private Future<?> attempt;

    /** @param threads for what may block */
    AutoResume(Attachment attachment, AttachmentParts parts, Executor threads) {
        this.attachment = attachment;
        operations = parts.operations();
        disk = parts.disk();
        loop = parts.loop();
        this.threads = threads;
    }

    /** Begins to look, if the attachment is parked and is to resume by itself. For its operations. */
    synchronized void begin() {
        if (!looking && attachment.faults().resumesByItself()) {
            looking = true;
            places = disk.imagePaths();
            pauseSeconds = FIRST_SECONDS;
            attempted(UNKNOWN);
            lookLater();
        }
    }

    private void attempted(long freeBefore) {
        free = freeBefore;
        nextAttempt = System.nanoTime() + TimeUnit.SECONDS.toNanos(pauseSeconds);
    }

    private void lookLater() {
        try {
            loop.execute(() -> loop.schedule(this::onThread, LOOK_MILLIS));
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, attachment.id() + ": has ended", e);
        }
    }

    private void onThread() {
        try {
            threads.execute(() -> {
                // without a lock, since it may take as long as a server does not answer
                long now = places().stream()
                        .mapToLong(place -> place.toFile().getUsableSpace())
                        .sum();
                looked(now);
            });
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, attachment.id() + ": the daemon stops", e);
        }
    }

    private synchronized List<Path> places() {
        return places;
    }

    private synchronized void looked(long now) {
        if (!attachment.faults().resumesByItself()) {
            looking = false;
            return;
        }
        boolean space = attachment.life().why().kind() == Kind.NO_SPACE;
        boolean more = space && now - free >= MORE_BYTES;
        if (attempt != null && !attempt.isDone()) {
            LOG.log(Level.DEBUG, attachment.id() + ": is still being tried");
        } else if (more || System.nanoTime() - nextAttempt >= 0) {
            pauseSeconds = more
                    ? FIRST_SECONDS
                    : Math.min(2 * pauseSeconds, space ? LONGEST_FOR_SPACE_SECONDS : LONGEST_SECONDS);
            attempted(now);
            attempt = operations.submit("being resumed by itself", () -> {
                resume();
                return null;
            });
        } else {
            free = Math.min(free, now);
        }
        lookLater();
    }

    private void resume() {
        if (!attachment.faults().resumesByItself()) {
            return;
        }
        try {
            attachment.faults().retry();
            attachment.opening().open();
            LOG.log(Level.INFO, attachment.id() + ": resumed by itself");
        } catch (DiskException e) {
            LOG.log(Level.DEBUG, attachment.id() + ": stays parked: " + e.getMessage());
        }
    }
}
