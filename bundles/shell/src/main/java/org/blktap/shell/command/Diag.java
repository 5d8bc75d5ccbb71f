package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.deploy.BundleDiagnosis;
import org.blktap.deploy.ComponentDiagnosis;
import org.blktap.deploy.ComponentDiagnosis.Finding;
import org.blktap.deploy.Contribution;
import org.blktap.shell.LostSockets;
import org.osgi.framework.Bundle;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "diag",
        summary = "Shows why an attachment or a bundle is not active; without a name, all that are not.",
        operands = "[ID|BUNDLE]")
@Command(
        description = {
            "Of a bundle, it also shows what the bundle brings: types of disks, kinds of nodes, engines, verbs.",
            "What this machine cannot have, such as an engine without its library, is shown with the reason."
        },
        footer = {"", "Examples:", "  diag", "  diag a", "  diag format-qcow", "  diag libaio"})
public final class Diag extends TapCommand {
    @Parameters(
            description =
                    "A bundle by symbolic name, without org.blktap. if it is ours; or a type, kind of node, engine or verb.")
    String name;

    private ComponentDiagnosis diagnosis;

    @Override
    void run(PrintWriter out) throws Exception {
        diagnosis = new ComponentDiagnosis(here.bundles(), here.components());
        int told = attachments(out);
        List<String> lacking = new ArrayList<>();
        for (Bundle bundle : here.bundles().getBundles()) {
            if (name == null || isNamed(bundle)) {
                told += bundle(out, bundle, lacking);
            } else {
                told += contributions(out, bundle);
            }
        }
        if (told == 0 && name != null) {
            throw new DiskException(
                    DiskException.Reason.NOT_FOUND,
                    "neither an attachment nor a bundle, nor anything that a bundle brings: " + name);
        }
        lacking.forEach(out::println);
        if (told == 0) {
            out.println(lacking.isEmpty() ? "all is active" : "all else is active");
        }
    }

    private boolean isNamed(Bundle bundle) {
        return name.equals(bundle.getSymbolicName()) || ("org.blktap." + name).equals(bundle.getSymbolicName());
    }

    private int attachments(PrintWriter out) {
        Attachments attachments = here.attachmentsNow().get();
        int told = 0;
        if (attachments == null) {
            out.println("the core gives no service Attachments");
            return name == null ? 1 : 0;
        }
        for (AttachmentStatus each : attachments.list()) {
            if (name == null
                    ? each.state() != State.RUNNING || !each.reason().isEmpty()
                    : each.id().equals(name)) {
                out.println("attachment " + each.id() + " (" + each.spec() + "): "
                        + each.state().name().toLowerCase(Locale.ROOT)
                        + (each.reason().isEmpty() ? "" : ": " + each.reason()));
                told++;
            }
            if (name == null || each.id().equals(name)) {
                for (String address : LostSockets.of(each)) {
                    out.println("attachment " + LostSockets.message(each.id(), address));
                    told++;
                }
            }
        }
        return told;
    }

    /**
     * Returns the number of lines printed; adds to {@code lacking} what is absent because of this machine, if all
     * bundles are asked for.
     */
    private int bundle(PrintWriter out, Bundle bundle, List<String> lacking) {
        int told = 0;
        if (name != null
                || bundle.getState() != Bundle.ACTIVE
                        && bundle.getState() != Bundle.STARTING
                        && !BundleDiagnosis.isFragment(bundle)
                        && !BundleDiagnosis.isLater(bundle, here.bundles())) {
            out.println("bundle " + bundle.getSymbolicName() + " " + bundle.getVersion() + ": "
                    + BundleDiagnosis.why(bundle, here.bundles()));
            told++;
        }
        Map<Contribution.Kind, List<String>> present = new TreeMap<>();
        Set<String> explained = new HashSet<>();
        for (Contribution each : Contribution.of(bundle)) {
            Finding absence = diagnosis.absence(each);
            if (absence == null) {
                present.computeIfAbsent(each.kind(), any -> new ArrayList<>()).add(each.name());
                continue;
            }
            explained.add(absence.component());
            if (name != null) {
                out.println("  brings " + each + ", which is absent: " + absence.why());
            } else if (absence.machine()) {
                lacking.add(absent(each, absence));
            } else if (bundle.getState() == Bundle.ACTIVE) {
                out.println(absent(each, absence));
                told++;
            }
        }
        if (name != null) {
            present.forEach((kind, names) ->
                    out.println("  brings " + kind + (names.size() == 1 ? " " : "s ") + String.join(", ", names)));
        }
        for (Finding each : diagnosis.of(bundle)) {
            if (!each.machine() && !explained.contains(each.component())) {
                out.println("  " + each);
                told++;
            }
        }
        return told;
    }

    private static String absent(Contribution brought, Finding absence) {
        return brought + " of " + brought.bundle().getSymbolicName() + " "
                + brought.bundle().getVersion() + " is absent: " + absence.why();
    }

    /** Prints what the bundle brings under this name. Returns the number of lines printed. */
    private int contributions(PrintWriter out, Bundle bundle) {
        int told = 0;
        for (Contribution each : Contribution.of(bundle)) {
            if (each.name().equals(name)) {
                Finding absence = diagnosis.absence(each);
                out.println(
                        absence != null
                                ? absent(each, absence)
                                : each + " of " + bundle.getSymbolicName() + " " + bundle.getVersion() + ": present");
                told++;
            }
        }
        return told;
    }
}
