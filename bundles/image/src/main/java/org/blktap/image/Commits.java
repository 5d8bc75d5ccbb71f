package org.blktap.image;

import java.util.ArrayDeque;
import java.util.ArrayList;
import org.blktap.api.engine.IoCallback;

/**
 * Makes the tables point at new clusters, for a group of allocating writes whose data has been written: flushes, if a
 * loss of that data by power failure could be seen; writes the changed parts of the tables; then completes the writes.
 * So a completed write survives the end of the process, and a table in the file never points at missing data. Writes
 * that join meanwhile form the next group.
 *
 * <p>If a table cannot be written, its allocations are undone and the old table is written. If that fails too, the
 * table in the file may have either state: then each change of the disk first tries to write the table, and fails if
 * that fails. Loop only.
 */
final class Commits {
    private final ClusterMap map;
    private final DataFiles files;
    private final IoCallback flushed = this::flushed;
    private final DirtyTables dirty = new DirtyTables(this::written);
    private final ArrayDeque<Resumable> mending = new ArrayDeque<>();
    private ArrayList<Member> joining = new ArrayList<>();
    private ArrayList<Member> committing = new ArrayList<>();
    private boolean running;
    private boolean tookBack;
    private boolean unsure;
    private int flushError;

    /** An allocating write. */
    interface Member {
        Allocation allocation();

        /** Called when its entries are in the file, or with the error. */
        void ended(int error);
    }

    Commits(ClusterMap map, DataFiles files) {
        this.map = map;
        this.files = files;
    }

    /** Adds a write whose data is in the file. */
    void join(Member write) {
        joining.add(write);
        if (!running) {
            start();
        }
    }

    /** Whether a table in the file may differ from the one in memory. */
    boolean unsure() {
        return unsure;
    }

    /** Tries again to write the tables that could not be written, and resumes the operation with the result. */
    void mend(Resumable operation) {
        mending.add(operation);
        if (!running) {
            running = true;
            tookBack = true;
            dirty.write();
        }
    }

    /** Returns the error of a flush made here, once. */
    int takeFlushError() {
        int error = flushError;
        flushError = 0;
        return error;
    }

    private void start() {
        running = true;
        tookBack = false;
        ArrayList<Member> group = joining;
        joining = committing;
        committing = group;
        boolean barrier = false;
        for (int i = 0; i < group.size(); i++) {
            barrier |= group.get(i).allocation().barrier();
        }
        if (barrier) {
            files.flush(flushed);
        } else {
            flushed(0);
        }
    }

    private void flushed(int error) {
        if (error != 0) {
            // the error may concern writes that were answered before: the next flush reports it too
            flushError = error;
            for (int i = 0; i < committing.size(); i++) {
                committing.get(i).allocation().fail(error);
            }
            end();
            return;
        }
        for (int i = 0; i < committing.size(); i++) {
            Allocation allocation = committing.get(i).allocation();
            map.commit(allocation.change(), dirty.by(allocation));
        }
        dirty.write();
    }

    private void written() {
        if (!tookBack && takeBack()) {
            tookBack = true;
            dirty.write();
        } else {
            end();
        }
    }

    /** Undoes the allocations whose tables could not be written; true if there are any. */
    private boolean takeBack() {
        boolean any = false;
        for (int i = committing.size() - 1; i >= 0; i--) {
            Allocation allocation = committing.get(i).allocation();
            int error = allocation.writeError();
            allocation.fail(error);
            if (error != 0) {
                map.undo(allocation.change(), dirty.by(allocation));
                any = true;
            }
        }
        return any;
    }

    private void end() {
        for (int i = 0; i < committing.size(); i++) {
            Member write = committing.get(i);
            write.ended(write.allocation().error());
        }
        committing.clear();
        running = false;
        unsure = !dirty.isEmpty();
        int mended = dirty.error();
        for (int n = mending.size(); n > 0; n--) {
            mending.poll().resume(mended);
        }
        if (!running && !joining.isEmpty()) {
            start();
        }
    }
}
