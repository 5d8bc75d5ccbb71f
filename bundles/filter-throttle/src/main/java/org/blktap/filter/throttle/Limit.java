package org.blktap.filter.throttle;

import org.blktap.api.disk.Operation;

/** A kind of limit: operations or bytes a second, of reads, of writes, or of both together. */
enum Limit {
    IOPS("iops", false, true, true),
    IOPS_READ("iops-read", false, true, false),
    IOPS_WRITE("iops-write", false, false, true),
    BPS("bps", true, true, true),
    BPS_READ("bps-read", true, true, false),
    BPS_WRITE("bps-write", true, false, true);

    /** All kinds, without the copy that {@link #values} makes. */
    static final Limit[] ALL = values();

    /** The option's name. */
    final String key;

    final boolean bytes;
    private final boolean reads;
    private final boolean writes;

    Limit(String key, boolean bytes, boolean reads, boolean writes) {
        this.key = key;
        this.bytes = bytes;
        this.reads = reads;
        this.writes = writes;
    }

    /** Whether the limit applies to operations that change the disk, or to reads. */
    boolean appliesTo(boolean write) {
        return write ? writes : reads;
    }

    /** Whether an operation is limited at all. A flush moves no data, and a map reads none. */
    static boolean counts(Operation operation) {
        return operation != Operation.FLUSH && operation != Operation.MAP;
    }
}
