package org.blktap.ring;

/** The numbers of the blkif protocol: Xen's public io/blkif.h, where no other source is named. */
public final class Blkif {
    // operations, BLKIF_OP_*
    public static final int READ = 0;
    public static final int WRITE = 1;
    /**
     * A write between two flushes: earlier writes are on disk before it, and it is on disk when answered. Without
     * segments, a flush.
     */
    public static final int WRITE_BARRIER = 2;
    /** A flush; with segments a flush and then a write, as Linux and QEMU take it. */
    public static final int FLUSH_DISKCACHE = 3;
    /** Formerly a packet command; must not be used. */
    public static final int RESERVED_1 = 4;

    public static final int DISCARD = 5;
    /** A read or write whose segments are in pages of their own. */
    public static final int INDIRECT = 6;

    // statuses, BLKIF_RSP_*
    public static final int OKAY = 0;
    public static final int ERROR = -1;
    public static final int EOPNOTSUPP = -2;

    /**
     * The unit of sectors in requests and of first and last sectors of segments, whatever the node sector-size says.
     */
    public static final int SECTOR = 512;
    /** The size of a grant: XEN_PAGE_SIZE. */
    public static final int PAGE = 4096;

    public static final int SECTORS_PER_PAGE = PAGE / SECTOR;

    /** BLKIF_MAX_SEGMENTS_PER_REQUEST. */
    public static final int SEGMENTS_MAX = 11;
    /** The segments that we accept in an indirect request, for feature-max-indirect-segments; Linux's own limit. */
    public static final int INDIRECT_SEGMENTS_MAX = 256;
    /** BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST. */
    public static final int INDIRECT_PAGES_MAX = 8;
    /**
     * Bytes of struct blkif_request_segment: u32 gref, u8 first_sect, u8 last_sect, u16 padding. The same in both ABIs.
     */
    public static final int SEGMENT_BYTES = 8;

    public static final int SEGMENTS_PER_PAGE = PAGE / SEGMENT_BYTES;

    /** BLKIF_DISCARD_SECURE, in a discard's flags. */
    public static final int DISCARD_SECURE = 1;

    // the node info, VDISK_*
    public static final int VDISK_CDROM = 1;
    public static final int VDISK_REMOVABLE = 2;
    public static final int VDISK_READONLY = 4;

    private Blkif() {}
}
