package org.blktap.core;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;

/**
 * What a VM knows of its disk, and cannot unlearn while it runs: no protocol announces more than another size, and some
 * not even that.
 *
 * @param sizeBytes of the disk
 * @param blockSize its sectors, in bytes
 * @param readOnly whether it refuses writes
 * @param identity {@link DiskInfo#identity}
 */
record DiskShape(long sizeBytes, int blockSize, boolean readOnly, String identity) {
    static DiskShape of(DiskInfo disk) {
        return new DiskShape(disk.sizeBytes(), disk.blockSize(), disk.readOnly(), disk.identity());
    }

    /** The same disk, read-only. */
    DiskShape withoutWrites() {
        return new DiskShape(sizeBytes, blockSize, true, identity);
    }

    /** The same disk in an image whose identity is not known yet: the next opening takes what it finds. */
    DiskShape ofAnyIdentity() {
        return new DiskShape(sizeBytes, blockSize, readOnly, "");
    }

    /**
     * Refuses another image that cannot take the place of this disk. A drive may have none, of whatever sectors.
     *
     * @param anySize whether it may have another size
     * @throws DifferentDisk naming both
     */
    void checkSame(TapSpec spec, DiskInfo found, boolean anySize) throws DifferentDisk {
        boolean sectors = found.blockSize() == blockSize || anySize && (sizeBytes == 0 || found.sizeBytes() == 0);
        if (!anySize && found.sizeBytes() != sizeBytes || !sectors || found.readOnly() != readOnly) {
            throw new DifferentDisk(spec + ": is not like the disk that the VM knows: found " + of(found)
                    + "; expected " + this + (anySize ? ", of any size" : ""));
        }
    }

    /**
     * Refuses what was found at the disk's own path when it is opened again, unless it is the same or has grown.
     *
     * @throws DifferentDisk naming both
     */
    void checkReopened(TapSpec spec, DiskInfo found) throws DifferentDisk {
        if (found.sizeBytes() < sizeBytes
                || found.blockSize() != blockSize
                || found.readOnly() != readOnly
                || !identity.isEmpty() && !found.identity().equals(identity)) {
            throw new DifferentDisk(spec + ": is not the disk that it was: found " + of(found) + "; expected " + this
                    + " or more; put the image back, or detach and attach it anew");
        }
    }

    @Override
    public String toString() {
        return sizeBytes + " bytes, sectors of " + blockSize + (readOnly ? ", read-only" : "")
                + (identity.isEmpty() ? "" : ", " + identity);
    }

    /** The image is not the disk that the VM knows. */
    static final class DifferentDisk extends DiskException {
        private static final long serialVersionUID = 1;

        DifferentDisk(String message) {
            super(Reason.WRONG_TYPE, message);
        }
    }
}
