package org.blktap.core;

import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.disk.VirtualDisk;

/** Makes one kind of driver of the two that a bundle may register. */
final class Drivers {
    private Drivers() {
    }

    /** A simple driver as a full one. */
    static DiskDriver of(SimpleDriver simple) {
        return new DiskDriver() {
            @Override
            public VirtualDisk open(String path, DiskContext context) throws DiskException {
                try {
                    SimpleDriver.SimpleDisk disk = simple.open(path, context.options(), context.readOnly());
                    if (disk.size() < 512) {
                        long found = disk.size();
                        disk.close();
                        throw new DiskException(DiskException.Reason.BAD_OPTION, path + ": a disk of " + found
                                + " bytes; it needs a sector of 512 at least");
                    }
                    return new SimpleDiskAdapter(disk, path, context);
                } catch (java.io.IOException e) {
                    throw DiskException.io(path, "open", e);
                }
            }
        };
    }
}
