package org.blktap.filter.trace;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code why}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "why",
        summary = "Shows where the time of an attachment's slowest requests went.",
        operands = "ID",
        values = "--record=FILE")
@Command(
        description =
                "The attachment has the filter trace: blktap filter add ID trace, above the filters that are measured as part of the disk.",
        footer = {
            "",
            "Examples:",
            "  why root",
            "  why root --reset",
            "  why root --record /tmp/root.log --seconds 30",
            "  fio --name=r --read_iolog=/tmp/root.log --replay_redirect=/dev/vdb --ioengine=libaio --direct=1"
        })
public final class WhyVerb implements Verb {
    private static final int POLL_MILLIS = 100;
    private static final int SHOWN = 10;
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("HH:mm:ss").withZone(ZoneId.systemDefault());

    @Reference
    TraceFilter traces;

    @Parameters(description = "An attachment with the filter trace.")
    String id;

    @Option(names = "--reset", description = "Forgets what was measured so far.")
    boolean reset;

    @Option(
            names = "--record",
            paramLabel = "FILE",
            description = "Records all requests into a new file that fio replays with --read_iolog.")
    String record;

    @Option(names = "--seconds", paramLabel = "N", description = "How long --record takes; 10 if left out.")
    int seconds = 10;

    @Option(names = "--json", description = "For scripts: an object, times in microseconds.")
    boolean json;

    @Override
    public int run(Call call) throws Exception {
        List<String> filters = call.attachments().status(id).filters();
        TracedDisk disk = traces.of(id);
        if (disk == null) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    "attachment '" + id + "' has no open filter trace; blktap filter add " + id + " trace");
        }
        if (record != null) {
            record(call, disk);
            return 0;
        }
        if (reset) {
            onLoop(disk, () -> {
                disk.reset();
                return null;
            });
            return 0;
        }
        Report report = onLoop(disk, () -> Report.of(id, filters, disk.measured()));
        if (json) {
            call.json(report);
        } else {
            print(call, report);
        }
        return 0;
    }

    private static <T> T onLoop(TracedDisk disk, Callable<T> question) throws Exception {
        return disk.context().loop().call(question);
    }

    // ---- where the time went

    private static void print(Call call, Report report) {
        report.words().forEach(call.out()::println);
        if (report.slowest().isEmpty()) {
            return;
        }
        call.out().println();
        List<List<?>> rows = new ArrayList<>();
        report.operations()
                .forEach((operation, stretches) -> stretches.forEach((name, each) -> rows.add(List.of(
                        operation,
                        name,
                        each.count(),
                        micros(each.mean()),
                        micros(each.p50()),
                        micros(each.p99()),
                        micros(each.max())))));
        call.table(List.of("OPERATION", "WHERE", "COUNT", "MEAN µs", "P50 µs", "P99 µs", "MAX µs"), rows);
        call.out().println();
        List<String> heading = new ArrayList<>(List.of("ENDED", "OPERATION", "OFFSET", "LENGTH", "IN FLIGHT"));
        for (Stretch each : Stretch.ALL) {
            heading.add(each.label.toUpperCase(Locale.ROOT) + " µs");
        }
        heading.add("TOTAL µs");
        List<List<?>> slow = new ArrayList<>();
        report.slowest().stream().limit(SHOWN).forEach(each -> slow.add(row(each)));
        call.table(heading, slow);
    }

    private static List<?> row(Report.Request request) {
        List<Object> row = new ArrayList<>(List.of(
                TIME.format(Instant.ofEpochMilli(request.endedMillis())),
                request.operation() + (request.error() == 0 ? "" : " (error " + request.error() + ")"),
                request.offset(),
                request.length(),
                request.inFlight()));
        for (Map.Entry<String, Double> each : request.stretches().entrySet()) {
            row.add(micros(each.getValue()));
        }
        row.add(micros(request.total()));
        return row;
    }

    private static String micros(double value) {
        return String.format(Locale.ROOT, "%.0f", value);
    }

    // ---- a record for fio

    private void record(Call call, TracedDisk disk) throws Exception {
        if (seconds < 1 || seconds > TimeUnit.DAYS.toSeconds(1)) {
            throw new DiskException(Reason.BAD_OPTION, "--seconds " + seconds + ": expected 1 to 86400");
        }
        Path file = call.directory().resolve(FileNames.path(record));
        Recording recording = onLoop(disk, disk::record);
        if (recording == null) {
            throw new DiskException(Reason.BUSY, "attachment '" + id + "' is being recorded already");
        }
        try (IologFile log = new IologFile(file)) {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
            while (System.nanoTime() < end && !call.cancelled() && traces.of(id) == disk) {
                Thread.sleep(POLL_MILLIS);
                log.add(onLoop(disk, recording::take));
            }
            call.out()
                    .println(log.count() + " requests recorded"
                            + (log.without() == 0
                                    ? ""
                                    : ", without " + log.without() + " maps, which fio does not know")
                            + (recording.lost() == 0
                                    ? ""
                                    : "; " + recording.lost() + " were lost, more than there is room for"));
        } catch (FileAlreadyExistsException e) {
            throw new DiskException(Reason.EXISTS, record + ": exists; choose another file", e);
        } catch (IOException e) {
            throw DiskException.io(file, "write the record", e);
        } finally {
            // a disk that was closed meanwhile has no loop any more
            if (traces.of(id) == disk) {
                onLoop(disk, () -> {
                    disk.stopRecording();
                    return null;
                });
            }
        }
    }
}
