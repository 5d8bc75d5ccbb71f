package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "list", description = "Lists minors: pid, minor, state and image; on a terminal as columns.")
final class ListTaps extends TapCtlVerb {
    /** Bits of TD_VBD_* (drivers/tapdisk-vbd.h): closed, quiesced and paused. */
    private static final int PAUSED = 0x2a;
    /** TD_VBD_SHUTDOWN_REQUESTED. */
    private static final int SHUTDOWN_REQUESTED = 0x40;

    @Option(names = "-p", paramLabel = "PID", description = "Only those of this pid.")
    Long pid;

    @Option(names = "-m", paramLabel = "MINOR", description = "Only this one.")
    Integer minor;

    @Option(names = "-t", paramLabel = "TYPE", description = "Only images of this type.")
    String type;

    @Option(names = "-f", paramLabel = "FILE", description = "Only images of this path.")
    String file;

    ListTaps(Taps taps) {
        super(taps);
    }

    /** The fields of a line; null for those that it does not have. */
    private record Row(Long pid, Integer minor, Integer state, String type, String path) {
        static Row of(Minor minor) throws DiskException {
            Long pid = minor.pid() == 0 ? null : minor.pid();
            if (minor.disk() == null) {
                return new Row(pid, minor.number(), pid == null ? null : 0, null, null);
            }
            TapSpec spec = TapSpec.parse(minor.disk().spec());
            int state = switch (minor.disk().state()) {
                case OPENING, RUNNING -> 0;
                case PARKING, PARKED -> PAUSED;
                case DETACHING -> SHUTDOWN_REQUESTED;
            };
            return new Row(pid, minor.number(), state, spec.type(), spec.path());
        }

        private String stateText() {
            return state == 0 ? "0" : "0x" + Integer.toHexString(state);
        }

        String columns() {
            return String.format(
                    "%8s %4s %4s %10s %s",
                    pid == null ? "-" : pid,
                    minor == null ? "-" : minor,
                    state == null ? "-" : stateText(),
                    type == null ? "-" : type,
                    path == null ? "-" : path);
        }

        String pairs() {
            List<String> pairs = new ArrayList<>();
            if (pid != null) {
                pairs.add("pid=" + pid);
            }
            if (minor != null) {
                pairs.add("minor=" + minor);
            }
            if (state != null) {
                pairs.add("state=" + stateText());
            }
            if (type != null) {
                pairs.add("args=" + type + ":" + path);
            }
            return String.join(" ", pairs);
        }
    }

    @Override
    void run(PrintWriter out) throws Exception {
        List<Row> rows = new ArrayList<>();
        for (Minor each : taps.list()) {
            rows.add(Row.of(each));
        }
        long daemon = taps.minors().daemon();
        if (rows.stream().noneMatch(row -> row.pid() != null && row.pid() == daemon)) {
            // a tapdisk that serves nothing
            rows.add(new Row(daemon, null, null, null, null));
        }
        for (Row row : rows) {
            if ((pid == null || pid.equals(row.pid()))
                    && (minor == null || minor.equals(row.minor()))
                    && (type == null || type.equals(row.type()))
                    && (file == null || file.equals(row.path()))) {
                out.println(taps.terminal() ? row.columns() : row.pairs());
            }
        }
    }
}
