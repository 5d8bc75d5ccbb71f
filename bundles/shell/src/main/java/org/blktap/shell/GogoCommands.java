package org.blktap.shell;

import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Function;
import org.blktap.shell.client.RawUtf8;
import org.blktap.shell.command.Surroundings;
import org.blktap.shell.command.Verbs;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/** The verbs as gogo commands in the scope {@code tap}: {@code tap:list}. */
@Component(service = {}, immediate = true)
public final class GogoCommands {
    private final List<ServiceRegistration<Function>> registrations = new ArrayList<>();
    private final ControlServices services;

    @Activate
    public GogoCommands(BundleContext bundles, @Reference ControlServices services) {
        this.services = services;
        for (String verb : Verbs.NAMES) {
            Hashtable<String, Object> properties = new Hashtable<>();
            properties.put("osgi.command.scope", "tap");
            properties.put("osgi.command.function", verb);
            registrations.add(bundles.registerService(Function.class, (session, arguments) -> run(verb, session, arguments), properties));
        }
    }

    private Object run(String verb, CommandSession session, List<Object> arguments) throws VerbFailed {
        List<String> words = new ArrayList<>(List.of(verb));
        arguments.forEach(argument -> words.add(String.valueOf(argument)));
        Surroundings here = services.in(session.currentDir().toAbsolutePath(), false);
        StringWriter error = new StringWriter();
        int status = Verbs.execute(here, words, new PrintWriter(new OutputStreamWriter(session.getConsole(), RawUtf8.OUTPUT)), new PrintWriter(error));
        if (status != 0) {
            throw new VerbFailed(status, error.toString().strip());
        }
        return null;
    }

    @Deactivate
    public void stop() {
        registrations.forEach(ServiceRegistration::unregister);
    }
}
