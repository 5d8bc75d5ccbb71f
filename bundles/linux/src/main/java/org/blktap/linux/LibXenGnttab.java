package org.blktap.linux;

/**
 * libxengnttab by JNA direct mapping: xengnttab.h of Xen 4.17, the half that uses grants of other domains, primitives
 * and addresses only. Grant references and domains are arrays of 32-bit numbers at an address. Failures leave their
 * reason in {@link Libc#errno}.
 */
public final class LibXenGnttab {
    /** The page of a grant (XEN_PAGE_SIZE, on every machine). */
    public static final int PAGE_BYTES = 4096;
    /**
     * {@code xengnttab_grant_copy_segment_t}: source@0 dest@8 len u16@16 flags u16@18 status s16@20. Source and
     * destination are each the address of memory of ours, or ref u32@0 offset u16@4 domid u16@6 of a grant.
     */
    public static final int COPY_BYTES = 24;

    public static final int COPY_SOURCE = 0;
    public static final int COPY_DEST = 8;
    public static final int COPY_LEN = 16;
    public static final int COPY_FLAGS = 18;
    public static final int COPY_STATUS = 20;
    public static final int COPY_FOREIGN_REF = 0;
    public static final int COPY_FOREIGN_OFFSET = 4;
    public static final int COPY_FOREIGN_DOMID = 6;
    /**
     * Bits of {@link #COPY_FLAGS}: which side is a grant. Its offset and length stay within the page; our side may
     * cross pages.
     */
    public static final short GNTCOPY_SOURCE_GREF = 1;

    public static final short GNTCOPY_DEST_GREF = 2;
    // {@link #COPY_STATUS} after the call (xen/grant_table.h)
    public static final short GNTST_OKAY = 0;
    public static final short GNTST_GENERAL_ERROR = -1;
    public static final short GNTST_BAD_DOMAIN = -2;
    public static final short GNTST_BAD_GNTREF = -3;
    public static final short GNTST_BAD_HANDLE = -4;
    public static final short GNTST_BAD_VIRT_ADDR = -5;
    public static final short GNTST_BAD_DEV_ADDR = -6;
    public static final short GNTST_NO_DEVICE_SPACE = -7;
    public static final short GNTST_PERMISSION_DENIED = -8;
    public static final short GNTST_BAD_PAGE = -9;
    public static final short GNTST_BAD_COPY_ARG = -10;
    public static final short GNTST_ADDRESS_TOO_BIG = -11;
    public static final short GNTST_EAGAIN = -12;
    public static final short GNTST_NO_SPACE = -13;
    /** The Debian package that has the library. */
    public static final String PACKAGE = "libxengnttab1";

    private static final String MISSING = OptionalLibrary.load(LibXenGnttab.class, "libxengnttab.so.1");

    private LibXenGnttab() {}

    /**
     * Why libxengnttab is missing; null if it is present. Nothing else of this class may be called if it is missing.
     */
    public static String missing() {
        return MISSING;
    }

    /**
     * Opens /dev/xen/gntdev. Several threads may use a handle: calls go to the kernel, which serialises what it must.
     *
     * @param logger 0: errors are logged to stderr
     * @return 0 on failure
     */
    public static native long xengnttab_open(long logger, int flags);

    /** Closes the handle. All mappings must have been unmapped before. */
    public static native int xengnttab_close(long handle);

    public static native int xengnttab_fd(long handle);

    /** Sets the most pages that the handle may have mapped. Call it right after opening the handle. */
    public static native int xengnttab_set_max_grants(long handle, int grants);

    /** The address of one mapped page, or 0. {@code prot} is that of mmap. */
    public static native long xengnttab_map_grant_ref(long handle, int domid, int ref, int prot);

    /**
     * Returns the address of {@code count} consecutive pages, each of the domain of the same index; 0 if one failed:
     * then none is mapped.
     */
    public static native long xengnttab_map_grant_refs(long handle, int count, long domids, long refs, int prot);

    /** Maps as {@link #xengnttab_map_grant_refs} does, all of one domain. */
    public static native long xengnttab_map_domain_grant_refs(long handle, int count, int domid, long refs, int prot);

    /** Unmaps the pages that one call has mapped. */
    public static native int xengnttab_unmap(long handle, long address, int count);

    /**
     * Copies between memory of ours and grants, one {@link #COPY_BYTES} structure for each piece. The result 0 means
     * that each piece has its {@link #COPY_STATUS}, not that it was copied.
     */
    public static native int xengnttab_grant_copy(long handle, int count, long segments);
}
