package org.blktap.linux;

import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;

/** libxentoollog by JNA direct mapping: what the other libraries of Xen log with; they come with it. */
public final class LibXenToolLog {
    /** XTL_CRITICAL of xentoollog.h. */
    private static final int CRITICAL = 9;
    private static final String MISSING = OptionalLibrary.load(LibXenToolLog.class, "libxentoollog.so.1");
    private static final long QUIET = MISSING == null ? create() : 0;

    private LibXenToolLog() {
    }

    private static long create() {
        Pointer stderr = NativeLibrary.getInstance("c").getGlobalVariableAddress("stderr").getPointer(0);
        return xtl_createlogger_stdiostream(Pointer.nativeValue(stderr), CRITICAL, 0);
    }

    /**
     * A logger for libxengnttab and libxenevtchn that reports nothing less than a catastrophe: what fails there is often a guest's doing, which it
     * could repeat until the log is full. 0 if there is no such library; they log to stderr then.
     */
    public static long quiet() {
        return QUIET;
    }

    private static native long xtl_createlogger_stdiostream(long file, int minimumLevel, int flags);
}
