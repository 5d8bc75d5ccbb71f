package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Locale;
import org.blktap.api.command.Call;
import org.blktap.api.command.Progress;
import org.blktap.shell.TextTable;

/** The progress of a call, as a bar. */
final class ProgressBar implements Progress {
    private static final int WIDTH = 40;

    private final Call call;
    private final PrintWriter out;
    private final boolean shown;
    private final long start = System.nanoTime();
    private boolean drawn;

    ProgressBar(Call call) {
        this.call = call;
        this.out = call.err();
        this.shown = call.terminal();
    }

    @Override
    public boolean at(long bytes, long ofBytes) {
        if (shown) {
            int filled = ofBytes == 0 ? WIDTH : (int) (bytes * (double) WIDTH / ofBytes);
            double seconds = (System.nanoTime() - start) / 1e9;
            out.printf(
                    Locale.ROOT,
                    "\r[%s%s] %3d%%  %s of %s, %s/s   ",
                    "#".repeat(filled),
                    "-".repeat(WIDTH - filled),
                    ofBytes == 0 ? 100 : (int) (bytes * 100.0 / ofBytes),
                    TextTable.size(bytes),
                    TextTable.size(ofBytes),
                    TextTable.size((long) (bytes / Math.max(seconds, 0.001))));
            drawn = true;
        }
        return !call.cancelled();
    }

    @Override
    public void note(String difference) {
        if (drawn) {
            out.println();
            drawn = false;
        }
        out.println(difference);
        out.flush();
    }

    @Override
    public void close() {
        if (drawn) {
            out.println();
            out.flush();
        }
    }
}
