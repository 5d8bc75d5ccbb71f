package org.blktap.shell.command;

import java.util.List;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "engines", summary = "Lists the I/O engines, the default first.")
public final class Engines extends ServiceListing {
    public Engines() {
        super("ENGINE");
    }

    @Override
    List<ServiceStatus> all(Attachments attachments) {
        return attachments.engines();
    }
}
