package org.blktap.deploy;

import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.Attachments;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ServiceScope;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** The verb {@code diag}. */
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
public final class DiagVerb implements Verb {
    @Activate
    BundleContext bundles;

    @Reference
    ServiceComponentRuntime components;

    /** Null without the core, whose absence it explains. */
    @Reference(cardinality = ReferenceCardinality.OPTIONAL)
    Attachments attachments;

    @Parameters(
            description =
                    "A bundle by symbolic name, without org.blktap. if it is ours; or a type, kind of node, engine or verb.")
    String name;

    @Override
    public int run(Call call) throws Exception {
        new DaemonDiagnosis(bundles, components, attachments).lines(name).forEach(call.out()::println);
        return 0;
    }
}
