package org.blktap.client.nbd;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.nbd.Nbd;
import org.blktap.tls.Credentials;
import org.blktap.tls.TlsRole;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;

/** {@code tap:nbd:<uri>}: an export of any NBD server. */
@Component(configurationPid = NbdClientSettings.PID)
@TapType(type = NbdDriver.TYPE, summary = "an export of an NBD server, by its URI")
public final class NbdDriver implements DiskDriver {
    static final String TYPE = "nbd";
    private static final long MAX_SIZE = 1L << 62;

    private volatile String tlsDirectory;

    @Activate
    public NbdDriver(NbdClientSettings settings) {
        configure(settings);
    }

    @Modified
    public void configure(NbdClientSettings settings) {
        tlsDirectory = settings.tls_directory();
    }

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        NbdUri uri = NbdUri.parse(path);
        Server server = new Server(uri, credentials(path, uri));
        ServerConnection first = connect(path, server);
        try (CloseOnFailure opened = new CloseOnFailure(first::abort)) {
            if (first.agreed().size() > MAX_SIZE) {
                throw new DiskException(
                        Reason.IO,
                        path + ": the server reports a size of "
                                + first.agreed().size() + " bytes; expected at most " + MAX_SIZE);
            }
            if (!context.readOnly() && first.agreed().has(Nbd.FLAG_READ_ONLY)) {
                throw new DiskException(
                        Reason.PERMISSION, path + ": the server gives it for reading only; attach it read-only");
            }
            return opened.keep(new NbdDisk(server, path, first, context));
        }
    }

    private Credentials credentials(String path, NbdUri uri) throws DiskException {
        if (uri.tls() == null) {
            return null;
        }
        try {
            Path directory = uri.tls().certificates();
            return Credentials.read(directory == null ? FileNames.path(tlsDirectory) : directory, TlsRole.CLIENT);
        } catch (InvalidPathException e) {
            throw new DiskException(Reason.BAD_OPTION, "tls.directory: " + e.getMessage(), e);
        } catch (DiskException e) {
            throw new DiskException(e.reason(), path + ": no TLS with the certificates: " + e.getMessage(), e);
        }
    }

    private static ServerConnection connect(String path, Server server) throws DiskException {
        try {
            return new ServerConnection(server);
        } catch (RefusedException e) {
            throw new DiskException(e.reason(), path + ": " + e.getMessage(), e);
        } catch (UnresolvedAddressException e) {
            throw new DiskException(Reason.NOT_FOUND, path + ": no such host", e);
        } catch (AsynchronousCloseException e) {
            throw new DiskException(Reason.IO, path + ": the server does not answer", e);
        } catch (IOException | RuntimeException e) {
            throw new DiskException(
                    Reason.IO, path + ": " + (e.getMessage() == null ? e.toString() : e.getMessage()), e);
        }
    }
}
