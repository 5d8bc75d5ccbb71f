package org.blktap.http;

import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;

/** The verb {@code http}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "http",
        summary = "Shows where the HTTP API and its page are served, and the file with the token.")
@Command(footer = {"", "Example:", "  http"})
public final class HttpVerb implements Verb {
    @Reference
    HttpServer server;

    @Override
    public int run(Call call) {
        if (server.urls().isEmpty()) {
            call.out().println("nowhere: the setting listen of org.blktap.http is empty");
        }
        server.urls().forEach(call.out()::println);
        call.out().println("token: " + server.tokenFile());
        return 0;
    }
}
