package org.blktap.linux;

/**
 * libxenevtchn by JNA direct mapping: xenevtchn.h of Xen 4.17, primitives and addresses only. Ports are not negative. A
 * call that fails returns -1 ({@link #xenevtchn_open}: 0) and leaves its reason in {@link Libc#errno}.
 */
public final class LibXenEvtchn {
    /** The Debian package that has the library. */
    public static final String PACKAGE = "libxenevtchn1";

    private static final String MISSING = OptionalLibrary.load(LibXenEvtchn.class, "libxenevtchn.so.1");

    private LibXenEvtchn() {}

    /**
     * Why libxenevtchn is missing; null if it is present. Nothing else of this class may be called if it is missing.
     */
    public static String missing() {
        return MISSING;
    }

    /** Opens /dev/xen/evtchn; {@code logger} is 0. */
    public static native long xenevtchn_open(long logger, int flags);

    /** Unbinds all ports of the handle. */
    public static native int xenevtchn_close(long handle);

    /**
     * Readable while a port is pending. A read returns the pending ports, four bytes each, and masks them; a write of
     * ports unmasks them (xen/evtchn.h). It must stay blocking: wait on it before each read.
     */
    public static native int xenevtchn_fd(long handle);

    /** Returns a local port, bound to another domain's; it is pending at once. */
    public static native int xenevtchn_bind_interdomain(long handle, int domid, int remotePort);

    public static native int xenevtchn_unbind(long handle, int port);

    public static native int xenevtchn_notify(long handle, int port);

    /** Limits the handle to ports of one domain. */
    public static native int xenevtchn_restrict(long handle, short domid);
}
