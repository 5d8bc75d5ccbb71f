package org.blktap.linux;

import com.sun.jna.Native;
import java.lang.System.Logger.Level;

/** The heap of the C library, from which the JVM, above all its compilers, takes memory. Any thread. */
public final class NativeHeap {
    private static final boolean PRESENT = register();

    private NativeHeap() {}

    /** malloc_trim(3), which only glibc has. */
    private static native int malloc_trim(long pad);

    private static boolean register() {
        try {
            Native.register(NativeHeap.class, "c");
            return true;
        } catch (UnsatisfiedLinkError e) {
            System.getLogger("org.blktap.linux").log(Level.DEBUG, "no malloc_trim: " + e.getMessage());
            return false;
        }
    }

    /** Returns memory that is free to the kernel, where the C library can. Takes milliseconds. */
    public static void trim() {
        if (PRESENT) {
            malloc_trim(0);
        }
    }
}
