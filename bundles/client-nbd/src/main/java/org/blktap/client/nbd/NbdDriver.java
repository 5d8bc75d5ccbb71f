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
import org.osgi.service.component.annotations.Component;

/** {@code tap:nbd:<uri>}: an export of any NBD server. */
@Component
@TapType(type = "nbd", summary = "an export of an NBD server, by its URI")
public final class NbdDriver implements DiskDriver {
    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        NbdUri uri = NbdUri.parse(path);
        try {
            NbdConnection first = new NbdConnection(uri);
            if (first.size() > 1L << 62) {
                first.close();
                throw new DiskException(Reason.IO, path + ": the server tells a size of " + first.size() + " bytes");
            }
            if (!context.readOnly() && first.has(NbdConnection.READ_ONLY)) {
                first.close();
                throw new DiskException(Reason.PERMISSION, path + ": the server gives it for reading only; attach it read-only");
            }
            return new NbdDisk(uri, path, first, context);
        } catch (UnresolvedAddressException e) {
            throw new DiskException(Reason.NOT_FOUND, path + ": no such host", e);
        } catch (AsynchronousCloseException e) {
            throw new DiskException(Reason.IO, path + ": the server does not answer", e);
        } catch (IOException | RuntimeException e) {
            throw new DiskException(Reason.IO, path + ": " + (e.getMessage() == null ? e.toString() : e.getMessage()), e);
        }
    }
}
