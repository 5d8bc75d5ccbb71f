package org.blktap.core.gate;

import java.util.Locale;
import org.blktap.api.disk.Operation;
import org.blktap.api.engine.Errno;

/**
 * Requests of one operation that fail one after the other.
 *
 * @param refused whether they were refused because they were invalid, and not failed by the storage
 * @param errno of the last
 * @param offset of the last, in bytes
 * @param count since the series began
 */
public record ErrorReport(Stage stage, Operation operation, boolean refused, int errno, long offset, long count) {
    /** How far the series is. */
    public enum Stage {
        BEGINS,
        CONTINUES,
        /** None has failed for some seconds. */
        ENDED
    }

    /** One line for people. */
    public String text() {
        String name = operation.name().toLowerCase(Locale.ROOT);
        String last = (operation == Operation.FLUSH ? "" : " at " + offset) + ": " + Errno.text(errno);
        return switch (stage) {
            case BEGINS -> name + " failed" + last;
            case CONTINUES -> count + " requests of operation " + name + " have failed so far, the last" + last;
            case ENDED ->
                "no more errors of operation " + name + "; " + count + " requests have failed, the last" + last;
        };
    }
}
