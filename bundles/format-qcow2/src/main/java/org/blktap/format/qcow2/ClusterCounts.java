package org.blktap.format.qcow2;

import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * How many references the clusters of a file have, counted in as many passes as memory asks for: a pass counts from one cluster on, as far as
 * there is room, and the next one goes on there. 32 MiB: 1 TiB of clusters of 64 KiB a pass, where all of them are in use.
 */
final class ClusterCounts {
    /** Clusters of a chunk; those that nothing refers to take no memory. */
    static final int CHUNK = 1 << 12;
    private static final int CHUNK_BITS = 12;
    private static final int MOST_CHUNKS = 4096;
    /** The most that a counter holds; higher counts are not distinguished. */
    private static final int LARGEST = 0xffff;

    private final NavigableMap<Long, short[]> chunks = new TreeMap<>();
    private long from;
    private long limit = Long.MAX_VALUE;
    /** The chunk that was used last: clusters mostly follow each other. */
    private long lastKey = -1;
    private short[] last;

    /** Begins the next pass; false if the last one has counted all. */
    boolean next() {
        if (limit == Long.MAX_VALUE) {
            return false;
        }
        from = limit;
        limit = Long.MAX_VALUE;
        chunks.clear();
        lastKey = -1;
        return true;
    }

    /** The first cluster of this pass. */
    long from() {
        return from;
    }

    /** The cluster that this pass does not count any more; final when all references have been reported. */
    long limit() {
        return limit;
    }

    /** Counts references to a cluster, if this pass is the one. */
    void add(long cluster, int times) {
        if (cluster < from || cluster >= limit) {
            return;
        }
        short[] chunk = chunk(cluster >> CHUNK_BITS);
        if (chunk == null) {
            chunk = room(cluster >> CHUNK_BITS);
            if (chunk == null) {
                return;
            }
            lastKey = -1;
        }
        int i = (int) (cluster & CHUNK - 1);
        chunk[i] = (short) Math.min(LARGEST, (chunk[i] & LARGEST) + times);
    }

    private short[] chunk(long key) {
        if (key != lastKey) {
            lastKey = key;
            last = chunks.get(key);
        }
        return last;
    }

    /** A chunk in place of the highest one, where there are too many; null if it would be that itself. */
    private short[] room(long key) {
        short[] chunk = null;
        if (chunks.size() == MOST_CHUNKS) {
            if (key > chunks.lastKey()) {
                limit = key << CHUNK_BITS;
                return null;
            }
            limit = chunks.lastKey() << CHUNK_BITS;
            chunk = chunks.pollLastEntry().getValue();
            java.util.Arrays.fill(chunk, (short) 0);
        } else {
            chunk = new short[CHUNK];
        }
        chunks.put(key, chunk);
        return chunk;
    }

    /** The count of a cluster of this pass. */
    long get(long cluster) {
        short[] chunk = chunk(cluster >> CHUNK_BITS);
        return chunk == null ? 0 : chunk[(int) (cluster & CHUNK - 1)] & LARGEST;
    }

    /** Whether a count in the file is what has been counted. */
    static boolean same(long found, long counted) {
        return found == counted || counted == LARGEST && found > LARGEST;
    }

    /** The first chunk from a cluster on that has been counted, by its first cluster; {@link Long#MAX_VALUE} if there is none. */
    long nextChunk(long cluster) {
        Long key = chunks.ceilingKey(cluster >> CHUNK_BITS);
        return key == null ? Long.MAX_VALUE : key << CHUNK_BITS;
    }
}
