package org.blktap.shell.command;

import java.util.List;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "drivers", summary = "Lists the disk types that can be attached.")
public final class Drivers extends ServiceListing {
    public Drivers() {
        super("TYPE");
    }

    @Override
    List<ServiceStatus> all(Attachments attachments) {
        return attachments.drivers();
    }
}
