package org.blktap.core;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
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
        return (path, context) -> {
            LockedFile file = context instanceof OpenContext own ? own.lockedFile(path) : null;
            SimpleDriver.SimpleDisk disk = null;
            boolean done = false;
            try {
                if (file != null) {
                    // before the driver does anything with it
                    file.lock(false);
                }
                disk = simple.open(context instanceof OpenContext own && own.isNamedByImage(path) && file != null ? file.magicLink() : path,
                        context.options(), context.readOnly());
                if (file != null && !context.readOnly() && disk.writable()) {
                    file.lock(true);
                }
                if (disk.size() < SECTOR) {
                    throw new DiskException(DiskException.Reason.BAD_OPTION, path + ": a disk of " + disk.size()
                            + " bytes; it needs a sector of 512 at least");
                }
                VirtualDisk result = new SimpleDiskAdapter(disk, path, file, context);
                done = true;
                return result;
            } catch (IOException e) {
                throw DiskException.io(path, "open", e);
            } finally {
                if (!done) {
                    close(path, disk);
                    close(path, file);
                }
            }
        };
    }

    private static void close(String path, AutoCloseable resource) {
        try {
            if (resource != null) {
                resource.close();
            }
        } catch (Exception e) {
            System.getLogger("org.blktap.core").log(System.Logger.Level.WARNING, path + ": close after a failure: " + e);
        }
    }
}
