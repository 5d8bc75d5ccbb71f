package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "attach",
        summary = "Opens a disk and makes device nodes for it.",
        operands = "SPEC",
        values = {"--node=NODE", "--filter=FILTER"})
@Command(
        footer = {
            "",
            "Examples:",
            "  attach tap:qcow:/vm/a.qcow --id a --node vhost-user --node nbd",
            "  attach tap:aio:/dev/vg/b --node vhost-user,queues=2,mode=0660,group=kvm --read-only",
            "  attach tap:ram:shared,size=1G --node nbd,tcp=10809",
            "  attach tap:qcow2:/vm/c.qcow2 --node vhost-user --filter throttle,iops=2000"
        })
public final class Attach extends TapCommand {
    @Parameters(description = "tap:<type>:<path>")
    String tapSpec;

    @Option(names = "--id", paramLabel = "ID", description = "The attachment's name; made from the path if left out.")
    String id;

    @Option(
            names = "--node",
            paramLabel = "NODE",
            description =
                    "kind[:target][,key=value...]; may be repeated. Without one the disk is opened, and nobody can reach it.")
    List<String> nodes = List.of();

    @Option(
            names = "--filter",
            paramLabel = "FILTER",
            description =
                    "type[,key=value...]; may be repeated. The first one is on the disk, the last one faces the nodes.")
    List<String> filters = List.of();

    @Option(names = "--read-only", description = "Writes are refused, and files are opened read-only.")
    boolean readOnly;

    @Option(
            names = "--wait-for-lock",
            paramLabel = "SECONDS",
            description =
                    "An image that others have open is waited for, so long at most: a VM migrates here. The attach"
                            + " returns at once; the disk is \"opening\" until then.")
    Integer waitForLock;

    @Option(
            names = "--max-chain",
            paramLabel = "N",
            description =
                    "When the disk has more images than this, its oldest overlay is committed to the base, slowly, by itself.")
    Integer maxChain;

    @Option(
            names = "--on-enospc",
            paramLabel = "ACTION",
            description =
                    "What becomes of a request for which the storage has no space: park (the default) holds it and parks"
                            + " the disk, park,auto also resumes it when there is space, report answers with the error.")
    String onEnospc;

    @Option(
            names = "--on-eio",
            paramLabel = "ACTION",
            description =
                    "The same for a request that the storage fails: report (the default), park, or park,auto, which"
                            + " tries again from time to time.")
    String onEio;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the driver, or engine=, backing-type=.")
    Map<String, String> options = new LinkedHashMap<>();

    @Override
    void run(PrintWriter out) throws Exception {
        if (waitForLock != null) {
            options.put("wait-for-lock", waitForLock.toString());
        }
        if (maxChain != null) {
            options.put("max-chain", maxChain.toString());
        }
        if (onEnospc != null) {
            options.put(AttachRequest.ON_ENOSPC, onEnospc);
        }
        if (onEio != null) {
            options.put(AttachRequest.ON_EIO, onEio);
        }
        AttachmentStatus status =
                here.attachments().attach(new AttachRequest(here.spec(tapSpec), id, nodes, readOnly, options, filters));
        out.println(status.id());
        status.nodes().forEach(node -> out.println(node.address()));
    }
}
