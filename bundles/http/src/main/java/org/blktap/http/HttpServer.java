package org.blktap.http;

import jakarta.servlet.Servlet;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.event.Events;
import org.blktap.api.health.Health;
import org.blktap.api.settings.Directories;
import org.blktap.tls.Credentials;
import org.blktap.tls.Subjects;
import org.blktap.tls.TcpEndpoint;
import org.blktap.tls.TlsRole;
import org.eclipse.jetty.server.Handler;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/**
 * Serves the API and its page where the settings say, which is nowhere by default. If it cannot listen at one of the
 * addresses, it listens at none, and {@code diag} shows why.
 */
@Component(service = HttpServer.class, immediate = true, configurationPid = HttpSettings.PID)
public final class HttpServer {
    private static final Logger LOG = System.getLogger("org.blktap.http");

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Events events;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Health health;

    private final Path tokenFile;
    private final EventStream stream = new EventStream(() -> events);
    private final JettyServer server;

    /**
     * @param api the servlet of the API, which must exist before anyone can ask for it, so that nothing seems to be
     *     missing
     */
    @Activate
    public HttpServer(
            BundleContext context,
            @Reference Directories directories,
            @Reference HttpLimits limits,
            @Reference(target = "(osgi.http.whiteboard.servlet.name=blktap)") Servlet api,
            HttpSettings settings)
            throws DiskException, IOException {
        tokenFile = settings.token_file().isEmpty()
                ? directories.data().resolve("http/token")
                : FileNames.path(settings.token_file());
        try {
            server = settings.listen().length == 0 ? null : open(context, settings);
        } catch (DiskException | IOException | RuntimeException e) {
            LOG.log(Level.ERROR, "no HTTP: " + e.getMessage());
            throw e;
        }
        if (server != null) {
            limits.show(server::connections, stream::followers);
            LOG.log(Level.INFO, "HTTP at " + String.join(", ", urls()) + "; the token is in " + tokenFile());
        }
    }

    private JettyServer open(BundleContext context, HttpSettings settings) throws DiskException, IOException {
        List<TcpEndpoint> endpoints = endpoints(settings);
        Credentials credentials =
                settings.tls() ? Credentials.read(FileNames.path(settings.tls_directory()), TlsRole.SERVER) : null;
        Subjects subjects = settings.subjects().isEmpty() ? null : Subjects.of(settings.subjects());
        if (subjects != null && credentials == null) {
            throw new DiskException(Reason.BAD_OPTION, "subjects would be of no use without TLS; set tls");
        }
        PageFiles page = new PageFiles(context.getBundle());
        Guard guard = new Guard(
                Token.at(tokenFile),
                subjects,
                List.of(settings.hosts()),
                path -> path.equals(HealthAnswer.PATH) || page.has(path));
        guard.setHandler(new Handler.Sequence(page, new HealthAnswer(() -> health), stream, new Whiteboard(context)));
        return new JettyServer(guard, endpoints, credentials);
    }

    private static List<TcpEndpoint> endpoints(HttpSettings settings) throws DiskException {
        List<TcpEndpoint> endpoints = new ArrayList<>();
        for (String text : settings.listen()) {
            TcpEndpoint endpoint = TcpEndpoint.of("listen", text);
            if (!endpoint.isLoopback() && !settings.tls()) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        "listen: " + text + " is reached from other hosts, and the token would pass unencrypted;"
                                + " set tls, or listen at an address such as 127.0.0.1:9980");
            }
            endpoints.add(endpoint);
        }
        return endpoints;
    }

    /** Returns where it listens; empty if the settings name no address. */
    public List<String> urls() {
        return server == null ? List.of() : server.urls();
    }

    /** The file with the token. */
    public String tokenFile() {
        return FileNames.text(tokenFile.toAbsolutePath());
    }

    @Deactivate
    public void close() {
        if (server != null) {
            server.close();
        }
    }
}
