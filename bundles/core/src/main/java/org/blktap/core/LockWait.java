package org.blktap.core;

import java.nio.file.InvalidPathException;
import java.time.Duration;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.linux.PinnedFile;

/**
 * How long the first opening of a disk waits for an image that others have open: while a VM migrates, its old host does
 * until the VM runs on the new one. Drivers read nothing of an image before they have its lock. For control threads,
 * one at a time.
 */
final class LockWait {
    /** The option of an attach: seconds. */
    static final String OPTION = "wait-for-lock";

    private static final long MOST_SECONDS = 86_400;
    private static final long LOOK_MILLISECONDS = 100;

    private final Duration limit;
    private long end;
    private boolean begun;
    private boolean looking;

    private LockWait(Duration limit) {
        this.limit = limit;
    }

    /** @throws DiskException BAD_OPTION */
    static LockWait of(AttachRequest request) throws DiskException {
        return new LockWait(
                Duration.ofSeconds(new Options(request.options()).number(OPTION, 0, 0, (int) MOST_SECONDS)));
    }

    /** The image is in use elsewhere, and is waited for. */
    static final class ImageInUse extends DiskException {
        private static final long serialVersionUID = 1;

        ImageInUse(DiskException inUse) {
            super(Reason.BUSY, inUse.getMessage() + "; waiting until that ends", inUse);
        }
    }

    /** Whether the first opening may come after the attach, perhaps in another life of the daemon. */
    boolean isAsked() {
        return !limit.isZero();
    }

    /** Begins to wait, or continues as long as the limit allows. */
    boolean goesOn() {
        if (!begun) {
            begun = true;
            end = System.nanoTime() + limit.toNanos();
        }
        return end - System.nanoTime() > 0;
    }

    /** What an opening ends with that does not wait, or no longer. */
    DiskException given(DiskException failure) {
        return begun && failure.reason() == Reason.BUSY
                ? new DiskException(
                        Reason.BUSY,
                        failure.getMessage() + ", and was not released within " + limit.toSeconds() + " s",
                        failure)
                : failure;
    }

    /**
     * Looks whether others have the image open, without locking it: their next opening must not fail by that.
     *
     * @throws DiskException BUSY
     */
    void check(AttachRequest request) throws DiskException {
        if (limit.isZero()) {
            return;
        }
        String path = request.spec().path();
        try (PinnedFile file = PinnedFile.of(FileNames.path(path));
                LockedFile locked = LockedFile.of(FileNames.path(path), file)) {
            if (locked != null && !locked.isFree(!request.readOnly())) {
                throw new DiskException(Reason.BUSY, path + ": in use by another host, attachment or process");
            }
        } catch (InvalidPathException e) {
            // no file: its driver says what is wrong
            return;
        } catch (DiskException e) {
            if (e.reason() == Reason.BUSY) {
                throw e;
            }
            // likewise
        }
    }

    /** Schedules the task, unless it is scheduled. */
    void lookSoon(IoLoop loop, Runnable look) {
        if (!looking) {
            looking = true;
            loop.execute(() -> loop.schedule(look, LOOK_MILLISECONDS));
        }
    }

    /** Called when the scheduled task runs. */
    void looked() {
        looking = false;
    }
}
