package org.blktap.jobs.bitmap;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.StoredBitmaps;

/** An image that stores bitmaps, as a format does it. */
final class ModelImage implements StoredBitmaps {
    /** What is stored of a bitmap; the ranges as offset and length. */
    record Entry(long granularity, State state, List<long[]> ranges) {}

    final Map<String, Entry> entries = new LinkedHashMap<>();
    boolean invalidated;
    private final List<String> forgotten = new ArrayList<>();
    private final long size;
    private boolean served;
    /** Whether whoever had it open was killed: nothing of that one reaches it. */
    private boolean dead;

    ModelImage(long size) {
        this.size = size;
    }

    void opened() {
        served = false;
        dead = false;
        forgotten.clear();
    }

    void serves() {
        served = true;
    }

    void killed() {
        dead = true;
    }

    /** The disk is changed. */
    void changes() {
        entries.replaceAll((name, entry) ->
                entry.state == State.RECORDING ? new Entry(entry.granularity, State.STALE, entry.ranges) : entry);
    }

    void put(String name, long granularity, long... ranges) {
        List<long[]> all = new ArrayList<>();
        for (int i = 0; i < ranges.length; i += 2) {
            all.add(new long[] {ranges[i], ranges[i + 1]});
        }
        entries.put(name, new Entry(granularity, State.RECORDING, all));
    }

    @Override
    public List<StoredBitmap> list() {
        List<StoredBitmap> all = new ArrayList<>();
        entries.forEach((name, entry) ->
                all.add(new StoredBitmap(name, entry.granularity, entry.state, entry.state != State.STOPPED)));
        return all;
    }

    @Override
    public boolean current() {
        return !served;
    }

    @Override
    public boolean invalidated() {
        return invalidated;
    }

    @Override
    public void read(String name, Ranges dirty) {
        entries.get(name).ranges.forEach(range -> dirty.range(range[0], range[1]));
    }

    @Override
    public void forget(String name) {
        forgotten.add(name);
    }

    /** What a format does at its close, if nothing was stored. */
    void closed() {
        if (!dead) {
            forgotten.forEach(entries::remove);
        }
    }

    @Override
    public void store(List<? extends Source> bitmaps) {
        if (dead) {
            return;
        }
        forgotten.forEach(entries::remove);
        forgotten.clear();
        for (Source each : bitmaps) {
            List<long[]> ranges = new ArrayList<>();
            for (long at = each.nextDirty(0); at < size; at = each.nextDirty(at)) {
                long end = each.nextClean(at);
                ranges.add(new long[] {at, end - at});
                at = end;
            }
            State state = each.stale() ? State.STALE : State.RECORDING;
            entries.put(each.name(), new Entry(each.granularity(), state, ranges));
        }
    }
}
