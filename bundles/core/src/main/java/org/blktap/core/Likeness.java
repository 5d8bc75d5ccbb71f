package org.blktap.core;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;

/** Whether a VM that knows one disk can go on with another: no protocol tells it that more than the size has changed, and some not even that. */
final class Likeness {
    private Likeness() {
    }

    /**
     * @param known what the VM knows; without a size it knows nothing
     * @throws DiskException WRONG_TYPE
     */
    static void check(TapSpec spec, DiskInfo found, DiskInfo known) throws DiskException {
        if (known.sizeBytes() != 0 && (known.sizeBytes() != found.sizeBytes() || known.blockSize() != found.blockSize()
                || known.readOnly() != found.readOnly())) {
            throw new DiskException(Reason.WRONG_TYPE, spec + ": is not like the disk that the VM knows: found " + shape(found)
                    + "; expected " + shape(known));
        }
    }

    private static String shape(DiskInfo disk) {
        return disk.sizeBytes() + " bytes, sectors of " + disk.blockSize() + (disk.readOnly() ? ", read-only" : "");
    }
}
