package org.blktap.http;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
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

/**
 * Serves the API and its page where the settings say, which is nowhere by default. If it cannot listen at one of the
 * places, it listens at none, and {@code diag} shows why.
 */
@Component(
        service = {},
        immediate = true,
        configurationPid = HttpSettings.PID)
public final class HttpServer {
    private static final Logger LOG = System.getLogger("org.blktap.http");

    private JettyServer server;

    @Activate
    public HttpServer(BundleContext context, @Reference Directories directories, HttpSettings settings)
            throws DiskException, IOException {
        if (settings.listen().length == 0) {
            return;
        }
        try {
            List<TcpEndpoint> endpoints = endpoints(settings);
            Path file = settings.token_file().isEmpty()
                    ? directories.data().resolve("http/token")
                    : FileNames.path(settings.token_file());
            Token token = Token.at(file);
            Credentials credentials =
                    settings.tls() ? Credentials.read(FileNames.path(settings.tls_directory()), TlsRole.SERVER) : null;
            Subjects subjects = settings.subjects().isEmpty() ? null : Subjects.of(settings.subjects());
            PageFiles page = new PageFiles(context.getBundle());
            Guard guard = new Guard(token, subjects, List.of(settings.hosts()), page::has);
            guard.setHandler(new Handler.Sequence(page, new Whiteboard(context)));
            server = new JettyServer(context, guard, endpoints, credentials);
            LOG.log(Level.INFO, "HTTP at " + server.urls() + "; the token is in " + FileNames.text(file));
        } catch (DiskException | IOException | RuntimeException e) {
            LOG.log(Level.ERROR, "no HTTP: " + e.getMessage());
            throw e;
        }
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

    @Deactivate
    public void close() {
        if (server != null) {
            server.close();
        }
    }
}
