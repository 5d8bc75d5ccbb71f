package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "resume",
        summary = "Opens a parked attachment's disk again, or another image in its place.",
        operands = {"ID", "[SPEC]"})
@Command(footer = {"", "Examples:", "  resume a", "  resume a tap:qcow2:/vm/a-2.qcow2"})
public final class Resume extends TapCommand {
    @Parameters(index = "0")
    String id;

    @Parameters(
            index = "1",
            description =
                    "The image to go on with: of the same sector size and access, and the same size unless the disk is read-only.")
    String image;

    @Override
    void run(PrintWriter out) throws Exception {
        if (image == null) {
            here.attachments().resume(id);
        } else {
            here.attachments().resume(id, here.spec(image));
        }
    }
}
