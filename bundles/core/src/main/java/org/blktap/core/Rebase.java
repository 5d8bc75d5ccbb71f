package org.blktap.core;

import java.util.HashSet;
import java.util.Map;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;

/**
 * Another backing image for an overlay of a chain. It may be done again: an attachment keeps it on record from before
 * it begins until the disk is open with it, and a restart in between does it first.
 *
 * @param backing null for none
 * @param types of the backing files below the overlay, as the option {@code backing-type} lists them; may be empty
 */
record Rebase(TapSpec overlay, TapSpec backing, String types) {
    /** Does it on a loop and queue of others. The overlay is not open for writing. For control threads. */
    void run(OpenEnvironment environment) throws DiskException {
        DiskDriver driver =
                OpenContext.driver(environment.drivers(), overlay.type()).service();
        Options options = new Options(types.isEmpty() ? Map.of() : Map.of(OpenContext.BACKING_TYPE, types));
        // not among the drivers of the disk, which may have none of the overlay's soon
        try (OpenContext context = new OpenContext(environment.using(new HashSet<>()), false, options)) {
            driver.rebase(overlay.path(), backing, context);
        }
    }

    @Override
    public String toString() {
        return overlay + ": backed by " + (backing == null ? "nothing" : backing);
    }
}
