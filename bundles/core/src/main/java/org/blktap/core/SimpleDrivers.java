package org.blktap.core;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.engine.CloseOnFailure;

/** Makes one kind of driver of the two that a bundle may register. */
final class SimpleDrivers {
    private SimpleDrivers() {}

    /** A simple driver as a full one. */
    static DiskDriver of(SimpleDriver simple) {
        return (path, context) -> {
            LockedFile file = context instanceof OpenContext own ? own.lockedFile(path) : null;
            try (CloseOnFailure opened = new CloseOnFailure(() -> close(path, file))) {
                if (file != null) {
                    // before the driver does anything with it
                    file.lock(false);
                }
                String name = context instanceof OpenContext own && own.isNamedByImage(path) && file != null
                        ? file.magicLink()
                        : path;
                SimpleDriver.SimpleDisk disk = simple.open(name, context.options(), context.readOnly());
                opened.add(() -> close(path, disk));
                if (file != null && !context.readOnly() && disk.writable()) {
                    file.lock(true);
                }
                if (disk.size() < SECTOR) {
                    throw new DiskException(
                            DiskException.Reason.BAD_OPTION,
                            path + ": a disk of " + disk.size() + " bytes; it needs a sector of 512 at least");
                }
                return opened.keep(new SimpleDiskAdapter(disk, path, file, context));
            } catch (IOException e) {
                throw DiskException.io(path, "open", e);
            }
        };
    }

    private static void close(String path, AutoCloseable resource) {
        try {
            if (resource != null) {
                resource.close();
            }
        } catch (Exception e) {
            System.getLogger("org.blktap.core")
                    .log(System.Logger.Level.WARNING, path + ": close after a failure: " + e);
        }
    }
}
