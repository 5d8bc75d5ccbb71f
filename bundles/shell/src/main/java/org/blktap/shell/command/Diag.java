package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Locale;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.deploy.BundleDiagnosis;
import org.blktap.shell.LostSockets;
import org.osgi.framework.Bundle;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;
import org.osgi.service.component.runtime.dto.UnsatisfiedReferenceDTO;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "diag", summary = "Shows why an attachment or a bundle is not active; without a name, all that are not.",
        operands = "[ID|BUNDLE]")
@Command(footer = {"", "Examples:", "  diag", "  diag a", "  diag format-qcow"})
public final class Diag extends TapCommand {
    @Parameters(description = "A bundle by symbolic name, without org.blktap. if it is ours.")
    String name;

    @Override
    void run(PrintWriter out) throws Exception {
        int told = attachments(out);
        for (Bundle bundle : here.bundles().getBundles()) {
            if (name == null || name.equals(bundle.getSymbolicName()) || ("org.blktap." + name).equals(bundle.getSymbolicName())) {
                told += bundle(out, bundle);
            }
        }
        if (told == 0 && name != null) {
            throw new DiskException(DiskException.Reason.NOT_FOUND, "neither an attachment nor a bundle: " + name);
        }
        if (told == 0) {
            out.println("all is active");
        }
    }

    private int attachments(PrintWriter out) {
        Attachments attachments = here.attachmentsNow().get();
        int told = 0;
        if (attachments == null) {
            out.println("the core gives no service Attachments");
            return name == null ? 1 : 0;
        }
        for (AttachmentStatus each : attachments.list()) {
            if (name == null ? each.state() != State.RUNNING || !each.reason().isEmpty() : each.id().equals(name)) {
                out.println("attachment " + each.id() + " (" + each.spec() + "): " + each.state().name().toLowerCase(Locale.ROOT)
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

    /** Lines printed. */
    private int bundle(PrintWriter out, Bundle bundle) {
        int told = 0;
        if (name != null || bundle.getState() != Bundle.ACTIVE && bundle.getState() != Bundle.STARTING && !BundleDiagnosis.isFragment(bundle)
                && !BundleDiagnosis.isLater(bundle, here.bundles())) {
            out.println("bundle " + bundle.getSymbolicName() + " " + bundle.getVersion() + ": "
                    + BundleDiagnosis.why(bundle, here.bundles()));
            told++;
        }
        for (ComponentDescriptionDTO component : here.components().getComponentDescriptionDTOs(bundle)) {
            for (ComponentConfigurationDTO each : here.components().getComponentConfigurationDTOs(component)) {
                told += component(out, component, each);
            }
        }
        return told;
    }

    /** The message of the last cause in a stack trace: those before it only say by which way it came. */
    static String cause(String trace) {
        String begin = "Caused by: ";
        return trace.lines().filter(line -> line.startsWith(begin)).reduce((first, next) -> next).map(line -> line.substring(begin.length()))
                .or(() -> trace.lines().findFirst()).orElse("see the log");
    }

    private static int component(PrintWriter out, ComponentDescriptionDTO component, ComponentConfigurationDTO configuration) {
        String what = "  component " + component.name;
        if (configuration.state == ComponentConfigurationDTO.FAILED_ACTIVATION) {
            String failure = configuration.failure == null ? "see the log" : cause(configuration.failure);
            out.println(what + " failed: " + failure);
            return 1;
        }
        for (UnsatisfiedReferenceDTO missing : configuration.unsatisfiedReferences) {
            String service = component.references == null ? missing.name : java.util.Arrays.stream(component.references)
                    .filter(r -> r.name.equals(missing.name)).map(r -> r.interfaceName).findFirst().orElse(missing.name);
            out.println(what + " waits for a service " + service + (missing.target == null ? "" : " with " + missing.target));
        }
        return configuration.unsatisfiedReferences.length;
    }
}
