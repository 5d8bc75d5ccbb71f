package org.blktap.api.node;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The core's gate before a disk, as its nodes see it. It outlives its disk: a driver may be replaced while nodes hold
 * the port. Loop only.
 */
@ProviderType
public interface DiskPort {
    /** The disk's present information. */
    DiskInfo info();

    /**
     * Whether requests are taken. A node looks before it takes a request from its ring or socket, and leaves it there
     * while this is false; {@link DeviceNode#resumed} is called when it is open again.
     */
    boolean isOpen();

    /**
     * Makes a request that can be submitted here, and nowhere else, as often as its owner likes.
     *
     * @param owner called each time the request completes
     * @param pieces initial capacity of the request's list of memory pieces
     */
    Request newRequest(Request.Completion owner, int pieces);

    /**
     * Hands a request of {@link #newRequest} to the disk. A request that does not fit the disk (range, read-only) ends
     * with an error; ranges need not be aligned, but those aligned to sectors of 512 are much faster. Only while
     * {@link #isOpen}. The request may be completed before this returns.
     */
    void submit(Request request);
}
