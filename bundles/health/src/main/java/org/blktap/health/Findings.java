package org.blktap.health;

import org.apache.felix.hc.api.Result;
import org.apache.felix.hc.api.Result.Status;
import org.apache.felix.hc.api.ResultLog;

/** The findings of a check, for its result. */
final class Findings {
    /** The most lines of one check. */
    private static final int MOST = 20;

    private final ResultLog log = new ResultLog();
    private int lines;
    private int left;
    private Status worstLeft = Status.OK;

    void critical(String line) {
        add(Status.CRITICAL, line);
    }

    void warn(String line) {
        add(Status.WARN, line);
    }

    void info(String line) {
        add(Status.OK, line);
    }

    private void add(Status status, String line) {
        if (lines < MOST) {
            lines++;
            log.add(new ResultLog.Entry(status, line));
        } else {
            left++;
            worstLeft = status.ordinal() > worstLeft.ordinal() ? status : worstLeft;
        }
    }

    /** @param otherwise the line if there is none yet */
    Result result(String otherwise) {
        if (lines == 0) {
            info(otherwise);
        }
        if (left > 0) {
            log.add(new ResultLog.Entry(worstLeft, "and " + left + " more"));
        }
        return new Result(log);
    }
}
