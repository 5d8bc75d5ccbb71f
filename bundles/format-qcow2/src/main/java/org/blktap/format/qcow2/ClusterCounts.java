package org.blktap.format.qcow2;

import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * Counts the references to the clusters of a file in 32 MiB of memory, in several passes if necessary: a pass counts
 * from one cluster on until the memory is used up, and the next pass continues there. A pass covers 1 TiB of clusters
 * of 64 KiB if all of them are in use.
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

    /** The first cluster after those of this pass; final when all references have been reported. */
    long limit() {
        return limit;
    }

    /** Counts references to a cluster, if it belongs to this pass. */
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

    /**
     * Returns a chunk, if there are too many that of the highest clusters; null if the new chunk would be the highest.
     */
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

    /** Whether a count in the file equals the counted one. */
    static boolean same(long found, long counted) {
        return found == counted || counted == LARGEST && found > LARGEST;
    }

    /**
     * Returns the first cluster of the next chunk that has counts, from a cluster on; {@link Long#MAX_VALUE} if there
     * is none.
     */
    long nextChunk(long cluster) {
        Long key = chunks.ceilingKey(cluster >> CHUNK_BITS);
        return key == null ? Long.MAX_VALUE : key << CHUNK_BITS;
    }
}
