package org.blktap.aio;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.engine.Errno;

/**
 * Remembers failed flushes of one open file. The kernel reports a failed write-back once, to one flush, and marks the
 * pages that it could not write as clean: the next flush succeeds without them. So for a file in the page cache every
 * flush after a failed one fails, until the file is opened anew, as in QEMU (block/file-posix.c,
 * page_cache_inconsistent). With O_DIRECT there are no such pages: a failure then counts for all flushes that were
 * under way. Any thread.
 */
final class FlushErrors {
    private static final Logger LOG = System.getLogger("org.blktap.aio");

    private final OpenedFile file;
    private volatile int failures;
    private volatile int last;

    FlushErrors(OpenedFile file) {
        this.file = file;
    }

    /** Returns how often a flush has failed, for {@link #result}. */
    int failures() {
        return failures;
    }

    /**
     * Returns the answer to a flush that has ended.
     *
     * @param error the kernel's result, 0 or an errno
     * @param before {@link #failures} when it began
     */
    int result(int error, int before) {
        if (error != 0) {
            failed(error);
            return error;
        }
        return last != 0 && (!file.direct() || failures != before) ? last : 0;
    }

    private synchronized void failed(int error) {
        if (last == 0 && !file.direct()) {
            LOG.log(
                    Level.ERROR,
                    file.path() + ": a flush failed: " + Errno.text(error)
                            + "; what the page cache held may be lost, so flushes fail until the"
                            + " disk is opened anew (blktap park, blktap resume)");
        }
        last = error;
        failures++;
    }
}
