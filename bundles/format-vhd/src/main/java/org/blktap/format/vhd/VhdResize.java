package org.blktap.format.vhd;

import java.nio.file.Path;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/** Makes a disk larger. */
final class VhdResize {
    private VhdResize() {
    }

    static void resize(Path path, long sizeBytes, DiskContext context) throws DiskException {
        throw new DiskException(Reason.UNSUPPORTED, path + ": soon");
    }
}
