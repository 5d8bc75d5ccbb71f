package org.blktap.linux;

import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;

/** libxentoollog by JNA direct mapping: the logger of Xen's other libraries, installed with them. */
public final class LibXenToolLog {
    /** XTL_CRITICAL of xentoollog.h. */
    private static final int CRITICAL = 9;

    private static final String MISSING = OptionalLibrary.load(LibXenToolLog.class, "libxentoollog.so.1");
    private static final long QUIET = MISSING == null ? create() : 0;

    private LibXenToolLog() {}

    private static long create() {
        Pointer stderr = NativeLibrary.getInstance("c")
                .getGlobalVariableAddress("stderr")
                .getPointer(0);
        return xtl_createlogger_stdiostream(Pointer.nativeValue(stderr), CRITICAL, 0);
    }

    /**
     * Returns a logger for libxengnttab and libxenevtchn that reports critical errors only: a guest can cause failed
     * calls, and repeat them until the log is full. Returns 0 if the library is missing; the others then log to stderr.
     */
    public static long quiet() {
        return QUIET;
    }

    private static native long xtl_createlogger_stdiostream(long file, int minimumLevel, int flags);
}
