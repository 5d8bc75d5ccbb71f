package org.blktap.format.vhd;

import org.blktap.api.engine.IoFile;
import org.blktap.image.Allocation;
import org.blktap.image.ClusterMap;
import org.blktap.image.DirtyTables;
import org.blktap.image.Mapping;

/** A fixed disk: its bytes are the file's, from the beginning on; the footer is after them. */
final class FixedMap implements ClusterMap {
    private final IoFile file;

    FixedMap(IoFile file) {
        this.file = file;
    }

    @Override
    public int clusterSize() {
        return 512;
    }

    @Override
    public void lookup(long offset, long length, Mapping into) {
        into.data(file, offset, length);
    }

    @Override
    public int allocate(long offset, long length, Allocation into) {
        return REFUSED;
    }

    @Override
    public void commit(Allocation allocation, DirtyTables dirty) {
        throw new IllegalStateException("nothing is allocated");
    }

    @Override
    public void undo(Allocation allocation, DirtyTables dirty) {
        throw new IllegalStateException("nothing is allocated");
    }

    @Override
    public void settled(Allocation allocation, boolean kept) {
        throw new IllegalStateException("nothing is allocated");
    }

    @Override
    public void close() {
        file.close();
    }
}
