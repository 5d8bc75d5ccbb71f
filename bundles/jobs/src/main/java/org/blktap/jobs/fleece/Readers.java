package org.blktap.jobs.fleece;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/** The requests of the readers of a point in time. Loop of the source only. */
final class Readers {
    private final FleeceDisk disk;
    /** Requests that wait for the disk below or a helper thread. */
    private final List<ViewRequest> active = new ArrayList<>();
    /** Requests that wait for a save, or for the gate to open. */
    private ArrayDeque<ViewRequest> waiting = new ArrayDeque<>();

    private ArrayDeque<ViewRequest> woken = new ArrayDeque<>();

    Readers(FleeceDisk disk) {
        this.disk = disk;
    }

    boolean busy() {
        return !active.isEmpty();
    }

    void enter(ViewRequest request) {
        active.add(request);
    }

    void leave(ViewRequest request) {
        active.remove(request);
        for (int i = 0; i < disk.saves().size(); i++) {
            disk.saves().get(i).readerEnded();
        }
    }

    void await(ViewRequest request) {
        waiting.add(request);
    }

    /** Whether ranges are being read from the disk below. */
    boolean reads(long from, long end) {
        for (int i = 0; i < active.size(); i++) {
            if (active.get(i).reads(from, end)) {
                return true;
            }
        }
        return false;
    }

    /** Makes waiting requests try again. */
    void wake() {
        if (waiting.isEmpty() || !disk.isRunning() && !disk.isLost()) {
            return;
        }
        ArrayDeque<ViewRequest> all = waiting;
        waiting = woken;
        woken = all;
        for (ViewRequest each = all.poll(); each != null; each = all.poll()) {
            each.step();
        }
    }

    /** Called when the disk is closed: requests that have not ended wait for the next disk. */
    void leave(Point point) {
        for (ViewRequest each = waiting.poll(); each != null; each = waiting.poll()) {
            point.submit(each);
        }
    }
}
