package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;

@Command(name = "help", description = "Lists the verbs, or explains one.")
final class Help extends TapCommand {
    @Parameters(paramLabel = "VERB", arity = "0..1")
    String verb;

    Help(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) {
        CommandLine top = spec.parent().commandLine();
        CommandLine meant = verb == null ? top : top.getSubcommands().get(verb);
        if (meant == null) {
            throw new ParameterException(spec.commandLine(), "no verb '" + verb + "'");
        }
        meant.usage(out);
    }
}
