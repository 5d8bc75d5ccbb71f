package org.blktap.jobs.bitmap;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.PassThroughDisk;

/**
 * Marks changes in bitmaps before it submits them, and answers a MAP that asks for a bitmap. Requests are passed on as
 * they are. Loop only.
 */
final class BitmappedDisk extends PassThroughDisk {
    private static final String CONTEXT = "dirty-bitmap:";

    private final BitmapStore store;
    private final TrackedBitmap[] bitmaps;
    private BitmapSettings settings;
    private volatile DiskInfo info;
    private int contextsBelow;
    /** Whether requests pass through this disk. */
    private boolean inUse;
    /** Whether the disk below stays when this is closed. */
    private boolean leaves;

    BitmappedDisk(
            VirtualDisk below, IoLoop loop, BitmapStore store, List<TrackedBitmap> bitmaps, BitmapSettings settings) {
        super(below);
        this.store = store;
        this.bitmaps = bitmaps.toArray(TrackedBitmap[]::new);
        this.settings = settings;
        describe();
        for (TrackedBitmap each : this.bitmaps) {
            if (!below.info().readOnly()) {
                each.bits().markStored(false);
            }
            each.begin(loop);
        }
    }

    private void describe() {
        DiskInfo described = below().info();
        contextsBelow = described.contexts().size();
        for (TrackedBitmap each : bitmaps) {
            described = described.withContext(CONTEXT + each.name());
        }
        info = described;
    }

    @Override
    public void setBelow(VirtualDisk disk) {
        super.setBelow(disk);
        describe();
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        Operation operation = request.operation();
        if (operation == Operation.WRITE || operation == Operation.WRITE_ZEROES || operation == Operation.DISCARD) {
            for (TrackedBitmap each : bitmaps) {
                each.mark(request.offset(), request.length());
            }
        } else if (operation == Operation.MAP && request.context() > contextsBelow) {
            bitmaps[request.context() - contextsBelow - 1].map(request.offset(), request.length(), request.extents());
            request.complete(0);
            return;
        }
        below().submit(request);
    }

    /**
     * {@inheritDoc} Adding, removing and clearing bitmaps needs a moment without requests in flight: for that, the core
     * opens the filter anew, also with the same options.
     */
    @Override
    public boolean set(Options options) throws DiskException {
        BitmapSettings asked = BitmapSettings.of(options);
        boolean inPlace = !asked.equals(settings)
                && asked.names().equals(settings.names())
                && asked.key().equals(settings.key());
        if (inPlace) {
            settings = asked;
        }
        return inPlace;
    }

    @Override
    public Map<String, ?> stats() {
        Map<String, Object> stats = new LinkedHashMap<>();
        for (TrackedBitmap each : bitmaps) {
            BitmapStatus status = each.status();
            stats.put(
                    each.name(),
                    TrackedBitmap.dirtyText(status) + " dirty" + (status.stale() ? ", stale" : "")
                            + (status.usedBy().isEmpty() ? "" : ", used by " + status.usedBy()));
        }
        return stats;
    }

    @Override
    public void draining(boolean begins) {
        inUse |= !begins;
        super.draining(begins);
    }

    /** {@inheritDoc} The image keeps the bitmaps that the next filter has. */
    @Override
    public void beforeRemoval() {
        leaves = true;
        ImageBitmaps.forget(below(), bitmaps);
    }

    @Override
    public void close() {
        try {
            if (!leaves) {
                ImageBitmaps.keep(below(), bitmaps, inUse);
            }
        } finally {
            for (TrackedBitmap each : bitmaps) {
                each.end();
                store.releaseSoon(each);
            }
        }
    }
}
