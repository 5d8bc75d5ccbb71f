package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.Options;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "set",
        summary = "Changes options of an attachment while its VM uses it.",
        operands = {"ID", "OPTION=TEXT..."})
@Command(
        description = {
            "on-enospc and on-eio say what becomes of requests for which the storage has no space, or which it fails: report answers",
            "them with the error, park holds them and parks the disk until it is resumed, park,auto resumes it by itself."
        },
        footer = {"", "Examples:", "  set root on-enospc=park,auto on-eio=park", "  set root on-eio="})
public final class SetOptions extends TapCommand {
    @Parameters(index = "0")
    String id;

    @Parameters(index = "1..*", description = "key=value; key= takes an option back.")
    List<String> settings = new ArrayList<>();

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().setOptions(id, Options.pairs(settings));
    }
}
