package org.blktap.api.disk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Alignment;

/**
 * What a disk is and can do. Immutable. A driver begins with {@link #ofSize} or {@link #ofContents} and adds what it
 * knows; a disk on top of another one changes a copy of that disk's information. The {@code with} methods return a
 * changed copy.
 */
public final class DiskInfo {
    /** The key of {@link #details} that lists internal snapshots, which a copy of the disk does not contain. */
    public static final String SNAPSHOTS = "snapshots";
    /** The key of {@link #details} that names the internal snapshot that is read in place of the current contents. */
    public static final String OPENED_SNAPSHOT = "opened snapshot";
    /**
     * The key of {@link #details} for what distinguishes an image of a cluster from any other that has had its name.
     */
    public static final String CLUSTER_IMAGE = "cluster image";
    /**
     * Details that distinguish a disk from any other, where its format records one: VHD's unique ID, VHDX's virtual
     * disk ID.
     */
    private static final String[] IDENTITIES = {"uuid", "virtual disk ID", CLUSTER_IMAGE};

    /** Operations of each disk, unless it says otherwise. */
    private static final Set<Operation> COMMON =
            Collections.unmodifiableSet(EnumSet.of(Operation.READ, Operation.WRITE, Operation.FLUSH, Operation.MAP));
    /** Operations that a read-only disk refuses. */
    private static final Set<Operation> CHANGING =
            Collections.unmodifiableSet(EnumSet.of(Operation.WRITE, Operation.DISCARD, Operation.WRITE_ZEROES));

    private final long sizeBytes;
    private final long contentBytes;
    private final int blockSize;
    private final int physicalBlockSize;
    private final int optimalIoSize;
    private final boolean readOnly;
    /** With those that a read-only disk refuses. */
    private final Set<Operation> operations;

    private final Description description;

    /** Describes a disk to people and to other disks; nothing of it decides how requests are served. */
    private record Description(Map<String, String> details, TapSpec backing, List<String> contexts) {
        private static final Description EMPTY = new Description(Map.of(), null, List.of());
    }

    private DiskInfo(
            long sizeBytes,
            long contentBytes,
            int blockSize,
            int physicalBlockSize,
            int optimalIoSize,
            boolean readOnly,
            Set<Operation> operations,
            Description description) {
        if (sizeBytes < 0 || !Alignment.isAligned(sizeBytes, SECTOR)) {
            throw new IllegalArgumentException("disk size " + sizeBytes + " is not a multiple of 512");
        }
        this.sizeBytes = sizeBytes;
        this.contentBytes = contentBytes;
        this.blockSize = blockSize;
        this.physicalBlockSize = physicalBlockSize;
        this.optimalIoSize = optimalIoSize;
        this.readOnly = readOnly;
        this.operations = operations;
        this.description = description;
    }

    /**
     * A writable disk of 512-byte sectors with the operations that every disk has: READ, WRITE, FLUSH and MAP.
     *
     * @param sizeBytes a multiple of 512
     */
    public static DiskInfo ofSize(long sizeBytes) {
        return new DiskInfo(sizeBytes, sizeBytes, SECTOR, SECTOR, 0, false, COMMON, Description.EMPTY);
    }

    /** Like {@link #ofSize}, for contents that may end inside the last sector. */
    public static DiskInfo ofContents(long contentBytes) {
        return new DiskInfo(
                wholeSectors(contentBytes), contentBytes, SECTOR, SECTOR, 0, false, COMMON, Description.EMPTY);
    }

    /** A number of bytes, rounded up to whole sectors of 512. */
    public static long wholeSectors(long bytes) {
        return Alignment.up(bytes, SECTOR);
    }

    /**
     * Checks the size of a disk that must be made or resized.
     *
     * @param image as messages name it
     * @param unit the size must be a multiple of it, a power of two
     * @param largest bytes, or {@link Long#MAX_VALUE} for no limit
     * @throws DiskException BAD_OPTION
     */
    public static void checkSize(Object image, long sizeBytes, int unit, long smallest, long largest)
            throws DiskException {
        if (sizeBytes < smallest || sizeBytes > largest || !Alignment.isAligned(sizeBytes, unit)) {
            throw new DiskException(
                    DiskException.Reason.BAD_OPTION,
                    DiskException.name(image) + ": size " + sizeBytes + ": expected a multiple of " + unit + " from "
                            + smallest + (largest == Long.MAX_VALUE ? " on" : " to " + largest));
        }
    }

    /** Returns a copy with another size, all of which is stored. */
    public DiskInfo withSize(long bytes) {
        return new DiskInfo(
                bytes, bytes, blockSize, physicalBlockSize, optimalIoSize, readOnly, operations, description);
    }

    /**
     * Returns a copy with other sector sizes.
     *
     * @param logical see {@link #blockSize}
     * @param physical see {@link #physicalBlockSize}
     */
    public DiskInfo withBlocks(int logical, int physical) {
        return new DiskInfo(
                sizeBytes, contentBytes, logical, physical, optimalIoSize, readOnly, operations, description);
    }

    /** Returns a copy with another {@link #optimalIoSize}. */
    public DiskInfo withOptimalIo(int bytes) {
        return new DiskInfo(
                sizeBytes, contentBytes, blockSize, physicalBlockSize, bytes, readOnly, operations, description);
    }

    /**
     * Returns a copy that is read-only or not. A read-only disk {@link #supports} nothing that changes it, whatever
     * operations are added before or after.
     */
    public DiskInfo withReadOnly(boolean refusesWrites) {
        return new DiskInfo(
                sizeBytes,
                contentBytes,
                blockSize,
                physicalBlockSize,
                optimalIoSize,
                refusesWrites,
                operations,
                description);
    }

    /** Returns a copy that supports more operations. */
    public DiskInfo with(Operation... added) {
        Set<Operation> more = EnumSet.copyOf(operations);
        more.addAll(List.of(added));
        return withOperations(more);
    }

    /** Returns a copy that supports fewer operations. */
    public DiskInfo without(Operation... removed) {
        Set<Operation> fewer = EnumSet.copyOf(operations);
        fewer.removeAll(List.of(removed));
        return withOperations(fewer);
    }

    private DiskInfo withOperations(Set<Operation> now) {
        return new DiskInfo(
                sizeBytes,
                contentBytes,
                blockSize,
                physicalBlockSize,
                optimalIoSize,
                readOnly,
                Collections.unmodifiableSet(now),
                description);
    }

    /** Returns a copy with other details. */
    public DiskInfo withDetails(Map<String, String> inOrder) {
        Map<String, String> details = Collections.unmodifiableMap(new LinkedHashMap<>(inOrder));
        return withDescription(new Description(details, description.backing, description.contexts));
    }

    /** Returns a copy for a disk that overlays an image; null for none. */
    public DiskInfo withBacking(TapSpec image) {
        return withDescription(new Description(description.details, image, description.contexts));
    }

    /** Returns a copy of which a MAP can ask for one more {@linkplain #contexts context}. */
    public DiskInfo withContext(String name) {
        List<String> more = new ArrayList<>(description.contexts);
        more.add(name);
        return withDescription(new Description(description.details, description.backing, List.copyOf(more)));
    }

    private DiskInfo withDescription(Description other) {
        return new DiskInfo(
                sizeBytes, contentBytes, blockSize, physicalBlockSize, optimalIoSize, readOnly, operations, other);
    }

    /** The size that VMs see, a multiple of 512. */
    public long sizeBytes() {
        return sizeBytes;
    }

    /**
     * Where the stored contents end: {@link #sizeBytes}, or inside the last sector for a file or export whose size is
     * not a multiple of 512. What is past it reads as zeros; a disk that cannot store other bytes there fails such a
     * write.
     */
    public long contentBytes() {
        return contentBytes;
    }

    /** The size in 512-byte sectors. */
    public long sectors() {
        return sizeBytes / SECTOR;
    }

    /** The sector size in bytes that guests should use: 512 or 4096. */
    public int blockSize() {
        return blockSize;
    }

    /** The sector size in bytes of the storage below; at least {@link #blockSize}. */
    public int physicalBlockSize() {
        return physicalBlockSize;
    }

    /** Preferred unit of requests in bytes, or 0. */
    public int optimalIoSize() {
        return optimalIoSize;
    }

    /** Whether writes are refused. */
    public boolean readOnly() {
        return readOnly;
    }

    /**
     * Whether a guest should be offered an operation: DISCARD if it frees space, WRITE_ZEROES if it is faster than
     * writing zeros, WRITE unless the disk is read-only. A writable disk accepts every operation; one that it does not
     * support may do nothing, or take as long as writing.
     */
    public boolean supports(Operation operation) {
        return operations.contains(operation) && !(readOnly && CHANGING.contains(operation));
    }

    /** All that it {@link #supports}. */
    public Set<Operation> operations() {
        Set<Operation> supported = EnumSet.copyOf(operations);
        supported.removeIf(each -> !supports(each));
        return supported;
    }

    /** Further properties that {@code info} shows, in order: format, backing chain, geometry. */
    public Map<String, String> details() {
        return description.details;
    }

    /** The image that this one overlays, with the type and the path by which it was opened; null if there is none. */
    public TapSpec backing() {
        return description.backing;
    }

    /**
     * What a MAP can be asked for besides how a range is stored ({@link Request#setMap(long, long, ExtentList, int)}):
     * names such as {@code dirty-bitmap:daily}, in an order that does not change while the disk is open unless one is
     * taken away. Of a dirty bitmap, state 1 means that the range was written.
     */
    public List<String> contexts() {
        return description.contexts;
    }

    /** Identity of the disk, as its format records it; empty for formats that record none. */
    public String identity() {
        for (String key : IDENTITIES) {
            if (details().containsKey(key)) {
                return details().get(key);
            }
        }
        return "";
    }
}
