package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.instance.Instances;
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
            "  attach tap:qcow2:/vm/c.qcow2 --node vhost-user --filter throttle,iops=2000",
            "  attach tap:qcow2:/vm/d.qcow2 --id d --node vhost-user --own-process --memory 256M --cpus 1",
            "",
            "With --own-process the disk is an instance of the daemon that is called as the disk. Other verbs find it by",
            "the id; list --all shows it. It is restarted after a crash, comes back with the default instance, and ends",
            "at the detach."
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
                    "What becomes of a request that the storage fails: report (the default), park, or park,auto, which"
                            + " tries again from time to time.")
    String onEio;

    @Option(
            names = "--own-process",
            description = "The disk gets a process for itself, which ends with it. Needs --id; not at the prompt.")
    boolean ownProcess;

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            description = "With --own-process: the most memory of the process, from 96M on.")
    String memory;

    @Option(
            names = "--cpus",
            paramLabel = "N",
            description = "With --own-process: the most processors that it uses, such as 0.5.")
    String cpus;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the driver, or engine=, backing-type=.")
    Map<String, String> options = new LinkedHashMap<>();

    @Override
    void run(PrintWriter out) throws Exception {
        if (ownProcess) {
            throw new Verbs.UsageException("--own-process is for blktap attach in a shell");
        }
        if (memory != null || cpus != null) {
            throw new Verbs.UsageException("--memory and --cpus are limits of --own-process");
        }
        if (id != null && Instances.known().hasOwnProcess(id)) {
            throw new DiskException(
                    DiskException.Reason.EXISTS, id + " is attached already, with a process of its own");
        }
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
