package org.blktap.jobs;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** What of a file is on disk, and what is only in a cache that a power loss takes. */
final class CachedContent {
    private static final int SECTOR = 512;

    private byte[] settled;
    private final List<Change> cached = new ArrayList<>();

    /** @param bytes null for a change of the size */
    private record Change(byte[] bytes, int offset, int size) {}

    /** Which of the changes in the cache have reached the disk. */
    private enum Loss {
        ALL,
        WHOLE_CHANGES,
        SECTORS
    }

    CachedContent(byte[] settled) {
        this.settled = settled;
    }

    void put(byte[] bytes, long offset) {
        cached.add(new Change(bytes, (int) offset, 0));
    }

    void resize(long size) {
        cached.add(new Change(null, 0, (int) size));
    }

    /** A flush has ended. */
    void settle() {
        settled = now();
        cached.clear();
    }

    byte[] now() {
        byte[] bytes = settled;
        for (Change each : cached) {
            bytes = each.bytes == null ? Arrays.copyOf(bytes, each.size) : with(bytes, each, 0, each.bytes.length);
        }
        return bytes;
    }

    /** Changes since the last flush are there or not, as a whole or sector by sector. */
    byte[] afterPowerLoss(Random random) {
        Loss loss = Loss.values()[random.nextInt(Loss.values().length)];
        byte[] bytes = settled.clone();
        if (loss == Loss.ALL) {
            return bytes;
        }
        for (Change each : cached) {
            boolean there = random.nextBoolean();
            if (each.bytes == null) {
                bytes = there ? Arrays.copyOf(bytes, each.size) : bytes;
            } else if (loss == Loss.WHOLE_CHANGES) {
                bytes = there ? with(bytes, each, 0, each.bytes.length) : bytes;
            } else {
                for (int at = 0; at < each.bytes.length; ) {
                    int to = Math.min(each.bytes.length, at + SECTOR - (each.offset + at) % SECTOR);
                    bytes = random.nextBoolean() ? with(bytes, each, at, to) : bytes;
                    at = to;
                }
            }
        }
        return bytes;
    }

    private byte[] with(byte[] bytes, Change change, int from, int to) {
        int end = change.offset + to;
        // what is settled is another's as well
        byte[] changed =
                bytes == settled || end > bytes.length ? Arrays.copyOf(bytes, Math.max(bytes.length, end)) : bytes;
        System.arraycopy(change.bytes, from, changed, change.offset + from, to - from);
        return changed;
    }
}
