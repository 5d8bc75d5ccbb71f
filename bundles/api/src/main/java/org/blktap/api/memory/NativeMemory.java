package org.blktap.api.memory;

import org.osgi.annotation.versioning.ProviderType;

/** The service that hands out native memory. Any thread may call it; it is for set-up, not for each request. */
@ProviderType
public interface NativeMemory {
    /**
     * New zeroed memory of at least {@code bytes}, rounded up to whole pages.
     *
     * @throws OutOfMemoryError when the system refuses
     */
    NativeBuffer allocate(long bytes);

    /**
     * Memory known by a name and shared by all who ask for it: made zeroed by the first, gone when the last holder has
     * closed it (unless {@link #keep kept}). It outlives the bundle that asked, so that a driver may be replaced while
     * its contents stay.
     *
     * @param name any name; one name is one memory
     * @param bytes its size, which all holders must agree on
     * @throws IllegalArgumentException if the name exists with another size; the message names both
     */
    NativeBuffer shared(String name, long bytes);

    /**
     * Makes shared memory stay without holders, or lets it go again.
     *
     * @return whether memory of that name exists
     */
    boolean keep(String name, boolean keep);

    /** The size in bytes of shared memory of that name, or -1. */
    long sharedSize(String name);

    /** How many hold shared memory of that name. */
    int holders(String name);
}
