package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.disk.DiskException;
import picocli.CommandLine.Command;

/** The page of {@code blktap shell}, which the control socket serves itself. */
@Command(name = "shell", description = "A prompt with history and completion, for these verbs and the framework's (lb, headers, ...).",
        footer = {"", "exit or Ctrl-D leaves the prompt, not the daemon. Without a terminal it runs the lines of its input:", "",
            "  echo 'lb -s' | blktap shell"})
final class ShellPage extends TapCommand {
    ShellPage(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, "this is the shell; there is none within it");
    }
}
