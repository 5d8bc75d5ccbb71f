package org.blktap.shell.command;

import java.util.List;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "filters", summary = "Lists the types of filters that a disk can have.")
public final class Filters extends ServiceListing {
    public Filters() {
        super("FILTER");
    }

    @Override
    List<ServiceStatus> all(Attachments attachments) {
        return attachments.filters();
    }
}
