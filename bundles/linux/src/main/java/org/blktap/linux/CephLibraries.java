package org.blktap.linux;

/** Whether this machine has the libraries of Ceph, without loading them: they and what they need are large. */
public final class CephLibraries {
    private CephLibraries() {}

    /** Why {@link LibRbd} cannot be used; null if it can. */
    public static String missing() {
        // one that is elsewhere is found by the linker only
        return OptionalLibrary.isFile(LibRbd.NAME) && OptionalLibrary.isFile(LibRados.NAME) ? null : LibRbd.missing();
    }
}
