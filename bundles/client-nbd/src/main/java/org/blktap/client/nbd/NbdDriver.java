package org.blktap.client.nbd;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.UnresolvedAddressException;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.nbd.Nbd;
import org.osgi.service.component.annotations.Component;

/** {@code tap:nbd:<uri>}: an export of any NBD server. */
@Component
@TapType(type = NbdDriver.TYPE, summary = "an export of an NBD server, by its URI")
public final class NbdDriver implements DiskDriver {
    static final String TYPE = "nbd";
    private static final long MAX_SIZE = 1L << 62;

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        NbdUri uri = NbdUri.parse(path);
        ServerConnection first = connect(path, uri);
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
            return opened.keep(new NbdDisk(uri, path, first, context));
        }
    }

    private static ServerConnection connect(String path, NbdUri uri) throws DiskException {
        try {
            return new ServerConnection(uri);
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
