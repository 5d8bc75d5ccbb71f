package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import org.blktap.api.engine.IoFile;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.ClusterMap;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.Place;

/** A fixed disk: its bytes are the file's, from the beginning on; the footer is after them. */
final class FixedMap implements ClusterMap {
    private final IoFile file;

    FixedMap(IoFile file) {
        this.file = file;
    }

    @Override
    public int clusterSize() {
        return SECTOR;
    }

    @Override
    public void find(long offset, long length, Place into) {
        into.data(file, offset, length);
    }

    @Override
    public Answer allocate(Place found, long length, Allocation into) {
        return Answer.REFUSED;
    }

    @Override
    public void commit(EntryChange change, DirtyTables dirty) {
        throw new IllegalStateException("nothing is allocated");
    }

    @Override
    public void undo(EntryChange change, DirtyTables dirty) {
        throw new IllegalStateException("nothing is allocated");
    }

    @Override
    public void settled(EntryChange change, boolean kept) {
        throw new IllegalStateException("nothing is allocated");
    }

    @Override
    public void close() {
        file.close();
    }
}
