package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.DiskException;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;

/** The page of {@code blktap shell}, which the control socket serves itself. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "shell",
        summary = "A prompt with history and completion, for these verbs and the framework's (lb, headers, ...).")
@Command(
        footer = {
            "",
            "exit or Ctrl-D leaves the prompt, not the daemon. Without a terminal it runs the lines of its input:",
            "",
            "  echo 'lb -s' | blktap shell"
        })
public final class ShellPage extends TapCommand {
    @Override
    void run(PrintWriter out) throws Exception {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, "this is the shell; there is none within it");
    }
}
