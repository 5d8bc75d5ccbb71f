package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "check", description = "Examines an image that is not in use; fails if something is wrong with it.",
        footer = {"", "Examples:", "  check tap:qcow:/vm/a.qcow", "  check tap:qcow2:/vm/b.qcow2 --repair"})
final class Check extends TapCommand {
    @Parameters(paramLabel = "SPEC", description = "tap:<type>:<path>")
    String tapSpec;
    @Option(names = "--repair", description = "Puts right what can be, and fails if something is left.")
    boolean repair;
    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format.")
    Map<String, String> options = new LinkedHashMap<>();

    Check(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        TapSpec spec = here.spec(tapSpec);
        CheckReport report = here.images().check(spec, false, options);
        if (repair && !(report.clean() && report.leaked() == 0)) {
            out.println("found: " + report.problems().size() + " problems, " + report.leaked() + " clusters leaked");
            here.images().check(spec, true, options);
            report = here.images().check(spec, false, options);
        }
        report.problems().forEach(out::println);
        if (!report.clean()) {
            throw new DiskException(DiskException.Reason.CORRUPT, tapSpec + ": " + report.problems().size() + " problems");
        }
        out.println("clean: " + report.clusters() + " clusters in use, " + report.leaked() + " leaked");
    }
}
