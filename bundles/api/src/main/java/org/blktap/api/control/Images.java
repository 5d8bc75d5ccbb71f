package org.blktap.api.control;

import java.util.Map;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.osgi.annotation.versioning.ProviderType;

/** Work on images that are not attached. Any thread but a loop; methods block until done. */
@ProviderType
public interface Images {
    /**
     * Creates an image; nothing is left if it fails.
     *
     * @param sizeBytes -1 to take the size of the backing
     * @param backing what it overlays, or null
     */
    void create(TapSpec spec, long sizeBytes, TapSpec backing, Map<String, String> options) throws DiskException;

    /**
     * Examines an image; BUSY if it is attached for writing.
     *
     * @param repair puts right what can be; the report is of what is left. UNSUPPORTED where the type has no repair
     */
    CheckReport check(TapSpec spec, boolean repair, Map<String, String> options) throws DiskException;
}
