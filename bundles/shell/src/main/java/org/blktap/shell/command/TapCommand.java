package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What all verbs share. A failure is an exception; its message is the line that the caller sees. */
abstract class TapCommand implements Callable<Integer> {
    final Surroundings here;
    @Spec
    CommandSpec spec;
    @Option(names = {"-h", "--help"}, usageHelp = true, description = "Shows this help.")
    boolean help;

    TapCommand(Surroundings here) {
        this.here = here;
    }

    @Override
    public final Integer call() throws Exception {
        run(spec.commandLine().getOut());
        return status();
    }

    /** The exit status of a run that ended without an exception. */
    int status() {
        return 0;
    }

    abstract void run(PrintWriter out) throws Exception;
}
