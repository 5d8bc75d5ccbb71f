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

    /**
     * Takes back a request that the core holds because the storage has failed it ({@code on-enospc=park},
     * {@code on-eio=park}), and which would otherwise end when the attachment is resumed. A node that waits until
     * nothing is in flight calls this for each of its requests at every turn: its client has gone, or stops its ring.
     *
     * @return whether the request was held; then it is the caller's again, and does not complete. False if it is at the
     *     disk, or not in flight
     */
    boolean withdraw(Request request);
}
