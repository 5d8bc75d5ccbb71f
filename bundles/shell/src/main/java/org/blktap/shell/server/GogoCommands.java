package org.blktap.shell.server;

import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Function;
import org.apache.felix.service.command.Process;
import org.blktap.api.command.Verb;
import org.blktap.shell.client.RawUtf8;
import org.blktap.shell.command.Surroundings;
import org.blktap.shell.command.Verbs;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferenceScope;

/** The verbs as gogo commands in the scope {@code tap}: {@code tap:list}. They come and go with the verbs. */
@Component(
        service = {},
        immediate = true)
public final class GogoCommands {
    private final Map<ServiceReference<Verb>, ServiceRegistration<Function>> registrations = new ConcurrentHashMap<>();
    private final BundleContext bundles;
    private final ControlServices services;
    private final Verbs verbs;

    @Activate
    public GogoCommands(BundleContext bundles, @Reference ControlServices services, @Reference VerbRegistry registry) {
        this(bundles, services, new Verbs(registry));
    }

    GogoCommands(BundleContext bundles, ControlServices services, Verbs verbs) {
        this.bundles = bundles;
        this.services = services;
        this.verbs = verbs;
    }

    @Reference(
            service = Verb.class,
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            scope = ReferenceScope.PROTOTYPE_REQUIRED)
    void addVerb(ServiceReference<Verb> reference) {
        if (reference.getProperty("verb.name") instanceof String verb) {
            registrations.put(reference, register(verb));
        }
    }

    void removeVerb(ServiceReference<Verb> reference) {
        ServiceRegistration<Function> registration = registrations.remove(reference);
        if (registration != null) {
            registration.unregister();
        }
    }

    ServiceRegistration<Function> register(String verb) {
        Hashtable<String, Object> properties = new Hashtable<>();
        properties.put("osgi.command.scope", "tap");
        properties.put("osgi.command.function", verb);
        return bundles.registerService(
                Function.class, (session, arguments) -> run(verb, session, arguments), properties);
    }

    private Object run(String verb, CommandSession session, List<Object> arguments) throws VerbFailed {
        List<String> words = new ArrayList<>(List.of(verb));
        arguments.forEach(argument -> words.add(String.valueOf(argument)));
        // the command's own streams: within a pipe they are not the session's
        Process process = Process.Utils.current();
        VerbOutput out = new VerbOutput(process == null ? session.getConsole() : process.out());
        VerbOutput err = new VerbOutput(process == null ? session.getConsole() : process.err());
        Foreground foreground = session.get(Foreground.VARIABLE) instanceof Foreground at ? at : null;
        // not in a pipe
        boolean shown = foreground != null && process != null && process.isTty(1);
        Surroundings here = services.in(
                session.currentDir().toAbsolutePath(), foreground != null, shown ? foreground.screen() : null);
        StringBuilder failure = new StringBuilder();
        Foreground.Work work = interrupted -> verbs.execute(
                here,
                words,
                out.writer(),
                err.writer(),
                () -> interrupted.getAsBoolean() || session.getConsole().checkError(),
                failure::append);
        int status;
        try {
            status = foreground == null ? work.run(() -> false) : foreground.run(verb, work);
        } catch (VerbFailed e) {
            out.cut = true;
            err.cut = true;
            throw e;
        } catch (Exception e) {
            throw new VerbFailed(1, "blktap: internal error: " + e);
        }
        if (status != 0) {
            throw new VerbFailed(status, failure.toString());
        }
        return null;
    }

    /** VerbOutput of a verb; drops everything once the verb goes on without its caller. */
    private static final class VerbOutput extends OutputStream {
        private final PrintStream to;
        private volatile boolean cut;

        VerbOutput(PrintStream to) {
            this.to = to;
        }

        PrintWriter writer() {
            return new PrintWriter(new OutputStreamWriter(this, RawUtf8.OUTPUT));
        }

        @Override
        public void write(int b) {
            if (!cut) {
                to.write(b);
            }
        }

        @Override
        public void write(byte[] bytes, int offset, int length) {
            if (!cut) {
                to.write(bytes, offset, length);
            }
        }

        @Override
        public void flush() {
            if (!cut) {
                to.flush();
            }
        }
    }
}
