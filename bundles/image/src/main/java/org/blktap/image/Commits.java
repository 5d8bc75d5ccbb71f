package org.blktap.image;

import java.util.ArrayDeque;
import java.util.ArrayList;
import org.blktap.api.engine.IoCallback;

/**
 * Lets the tables point at new clusters, for all allocating writes at a time whose data has been written: a flush, if
 * losing that data to a power failure would show; then the changed parts of the tables; then the writes are answered. So
 * an answered write survives the end of the process, and a table in the file never points at what is not there. Those that come
 * meanwhile are the next group.
 *
 * <p>Where a table cannot be written, its allocations are taken back and it is written as it was. If that fails as well, the
 * file may say what nobody was promised: then every change of the disk waits until the table could be written, and fails if it cannot. Loop only.
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

        /** Its entries are in the file, or that has failed. */
        void ended(int error);
    }

    Commits(ClusterMap map, DataFiles files) {
        this.map = map;
        this.files = files;
    }

    /** The data is written. */
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

    /** Tries to write what could not be written, and resumes the operation with what came of it. */
    void mend(Resumable operation) {
        mending.add(operation);
        if (!running) {
            running = true;
            tookBack = true;
            dirty.write();
        }
    }

    /** An error of a flush of its own, once. */
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
            // it may have been about writes that were answered before: the next flush reports it too
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
