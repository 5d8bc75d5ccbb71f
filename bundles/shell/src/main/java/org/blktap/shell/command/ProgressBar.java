package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.function.LongSupplier;
import org.blktap.api.command.Call;
import org.blktap.api.command.Progress;
import org.blktap.shell.TextTable;

/**
 * The progress of a call, as a bar, with the speed since the call began and the time that is left at this speed.
 *
 * <p>Each bar is drawn by the thread of its call. Libraries for progress bars draw all bars by one thread; here bars go
 * to terminals of clients, and a client that does not read would delay the bars of all others.
 */
final class ProgressBar implements Progress {
    private static final int WIDTH = 40;
    /** Time after which the speed is steady enough to estimate the time that is left. */
    private static final double SETTLED_SECONDS = 1;

    private final Call call;
    private final PrintWriter out;
    private final boolean shown;
    private final LongSupplier nanoTime;
    private final long start;
    /** What had been done when the call began, since a job may have begun earlier. */
    private long before = -1;

    /** Length of the line that is shown; 0 if there is none. */
    private int drawn;

    ProgressBar(Call call, LongSupplier nanoTime) {
        this.call = call;
        this.out = call.err();
        this.shown = call.terminal();
        this.nanoTime = nanoTime;
        start = nanoTime.getAsLong();
    }

    @Override
    public boolean at(long bytes, long ofBytes) {
        if (shown) {
            if (before < 0) {
                before = bytes;
            }
            double share = ofBytes == 0 ? 1 : Math.min(1, bytes / (double) ofBytes);
            double seconds = (nanoTime.getAsLong() - start) / 1e9;
            double speed = Math.max(0, bytes - before) / Math.max(seconds, 0.001);
            int filled = (int) (share * WIDTH);
            String line = String.format(
                    Locale.ROOT,
                    "[%s%s] %3d%%  %s of %s, %s/s%s",
                    "#".repeat(filled),
                    "-".repeat(WIDTH - filled),
                    (int) (share * 100),
                    TextTable.size(bytes),
                    TextTable.size(ofBytes),
                    TextTable.size((long) speed),
                    left(ofBytes - bytes, speed, seconds));
            // spaces over the rest of a longer previous line
            out.print("\r" + line + " ".repeat(Math.max(0, drawn - line.length())));
            out.flush();
            drawn = line.length();
        }
        return !call.cancelled();
    }

    private static String left(long bytes, double speed, double seconds) {
        if (bytes <= 0 || speed < 1 || seconds < SETTLED_SECONDS) {
            return "";
        }
        long left = (long) Math.ceil(bytes / speed);
        return left < 3600
                ? String.format(Locale.ROOT, ", %d:%02d left", left / 60, left % 60)
                : String.format(Locale.ROOT, ", %d:%02d:%02d left", left / 3600, left / 60 % 60, left % 60);
    }

    @Override
    public void note(String difference) {
        endLine();
        out.println(difference);
        out.flush();
    }

    @Override
    public void close() {
        endLine();
        out.flush();
    }

    private void endLine() {
        if (drawn > 0) {
            out.println();
            drawn = 0;
        }
    }
}
