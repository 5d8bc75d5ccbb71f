package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import org.blktap.api.engine.IoFile;
import org.blktap.image.Place;

/** An extent whose bytes are a run of a file: FLAT and VMFS. */
final class FlatExtent extends Extent {
    private final IoFile file;
    private final long fileOffset;
    private final boolean writable;

    FlatExtent(VmdkImage.Part part) {
        super(part);
        file = part.file();
        fileOffset = part.line().offset() * SECTOR;
        writable = part.writable();
    }

    @Override
    void find(long offset, long length, Place into) {
        if (writable) {
            into.data(file, fileOffset + offset, length);
        } else {
            // shared data is not written in place, and nothing is allocated here, so writes fail
            into.shared(file, fileOffset + offset, length);
        }
    }
}
