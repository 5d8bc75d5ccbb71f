package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "check",
        summary = "Examines an image that is not in use, and lists errors, leaks and what a crash left behind.",
        operands = "SPEC",
        runs = Where.CLIENT,
        longRunning = true)
@Command(
        description =
                "Exit status: 0 nothing to do, 1 errors, or it cannot be examined, 2 wrong usage, 3 no errors, but leaks or leftovers of a crash.",
        footer = {"", "Examples:", "  check tap:qcow:/vm/a.qcow", "  check tap:qcow2:/vm/b.qcow2 --repair"})
public final class Check extends TapCommand {
    /** Exit status for leaks, that of qemu-img check. */
    private static final int LEFTOVERS = 3;

    @Parameters(description = "tap:<type>:<path>")
    String tapSpec;

    @Option(names = "--repair", description = "Repairs what it can; the exit status is about what is left.")
    boolean repair;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format.")
    Map<String, String> options = new LinkedHashMap<>();

    private int status;

    @Override
    void run(PrintWriter out) throws Exception {
        TapSpec image = here.spec(tapSpec);
        CheckReport report = examine(image, false);
        if (repair && report.wantsRepair()) {
            out.println("found: " + summary(report));
            CheckReport done = examine(image, true);
            done.repairs().forEach(line -> out.println("repaired: " + line));
            long leaked = report.leaked();
            report = examine(image, false);
            if (report.leaked() < leaked) {
                out.println("repaired: " + leaks(leaked - report.leaked()) + " freed");
            }
        }
        report.problems().forEach(line -> out.println("error: " + line));
        report.repairs().forEach(line -> out.println((repair ? "left: " : "to repair: ") + line));
        if (report.leaked() > 0) {
            out.println((repair ? "left: " : "to repair: ") + leaks(report.leaked()));
        }
        if (!report.clean()) {
            out.println(summary(report) + (repair ? "; these errors cannot be repaired" : "") + ": " + report.clusters()
                    + " clusters in use");
            out.flush();
            throw new DiskException(DiskException.Reason.CORRUPT, tapSpec + ": " + summary(report));
        }
        status = report.wantsRepair() ? LEFTOVERS : 0;
        out.println((report.wantsRepair() ? "no errors, but " + summary(report) : "clean") + ": " + report.clusters()
                + " clusters in use");
    }

    /**
     * Examines the image, or repairs it, until the caller cancels the call: what is on disk is then as after a crash.
     */
    private CheckReport examine(TapSpec image, boolean repairing) throws Exception {
        Images images = here.images();
        return InterruptibleWork.run(call, "blktap-examine", () -> images.check(image, repairing, options));
    }

    /** Summarises the findings in numbers. */
    private static String summary(CheckReport report) {
        StringBuilder text = new StringBuilder();
        count(text, report.problems().size(), "error");
        count(text, report.leaked(), "leaked cluster");
        count(text, report.repairs().size(), "leftover");
        return text.toString();
    }

    private static String leaks(long number) {
        StringBuilder text = new StringBuilder();
        count(text, number, "leaked cluster");
        return text.toString();
    }

    private static void count(StringBuilder text, long number, String what) {
        if (number > 0) {
            text.append(text.isEmpty() ? "" : ", ")
                    .append(number)
                    .append(' ')
                    .append(what)
                    .append(number == 1 ? "" : "s");
        }
    }

    @Override
    int status() {
        return status;
    }
}
