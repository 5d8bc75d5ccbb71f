package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.disk.DiskException;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * The page of {@code blktap xen-setup}, which {@code bin/blktap} runs itself ({@code libexec/xen-setup}): no daemon
 * takes part.
 */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "xen-setup",
        summary = "Makes a Xen dom0 ready: xl's disk lines reach the daemon. Tells each step; may be run again.",
        values = "--root=FILE",
        runs = Where.PROGRAM)
@Command(
        footer = {
            "",
            "Steps: the hotplug script block-blktap; the device model of PV and PVH guests, with QEMU kept for all",
            "others; tap-ctl and blktap on the PATH; the service. What is in the way is kept as NAME.distrib (with",
            "dpkg: as a diversion), and comes back with --undo.",
            "Exit status: 0 all is done, 1 something is not, 2 wrong usage. Needs Python 3, and no daemon.",
            "",
            "Examples:",
            "  blktap xen-setup --check",
            "  blktap xen-setup",
            "  blktap xen-setup --takeover",
            "  blktap xen-setup --undo --takeover",
            "  blktap xen-setup --undo"
        })
public final class XenSetup extends TapCommand {
    @Option(
            names = "--takeover",
            description =
                    "Also puts our script in the place of Xen's own script \"block\": tap:aio:, phy: and file: lines "
                            + "come to the daemon. With --check it is required; with --undo, nothing else is undone.")
    boolean takeover;

    @Option(
            names = "--check",
            description =
                    "Changes nothing; lists the steps, done or not, and why. The exit status is 0 if all is done.")
    boolean check;

    @Option(names = "--json", description = "With --check: an object.")
    boolean json;

    @Option(
            names = "--undo",
            description = "Puts all back as it was. The daemon goes on. Refused while guests have disks of it.")
    boolean undo;

    @Option(
            names = "--force",
            description =
                    "With --undo: also while guests have disks. xl cannot run the script of such a disk any more, and"
                            + " systemd does not start the daemon again.")
    boolean force;

    @Option(names = "--root", paramLabel = "DIR", description = "The root of another system, which is not running.")
    String root;

    @Override
    void run(PrintWriter out) throws Exception {
        throw new DiskException(
                DiskException.Reason.UNSUPPORTED,
                "xen-setup changes dom0's files, not the daemon; run bin/blktap xen-setup in a shell of dom0");
    }
}
