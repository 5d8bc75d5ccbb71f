package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Base class of all verbs. A failure is an exception; its error number is the exit status. */
abstract class TapCtlVerb implements Callable<Integer> {
    final Taps taps;

    @Spec
    CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    boolean help;

    TapCtlVerb(Taps taps) {
        this.taps = taps;
    }

    @Override
    public final Integer call() throws Exception {
        run(spec.commandLine().getOut());
        return 0;
    }

    abstract void run(PrintWriter out) throws Exception;
}
