package org.blktap.api.disk;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * An opened image with its backing chain: a linear run of 512-byte sectors that takes asynchronous requests.
 * After opening, all methods run on the attachment's loop, and none of them waits.
 */
@ConsumerType
public interface VirtualDisk extends AutoCloseable {
    /** What the disk is; constant until a resize. */
    DiskInfo info();

    /**
     * Starts a request, which ends with {@link Request#complete}. Requests may end in any order; a FLUSH covers the
     * writes that had ended when it was submitted.
     */
    void submit(Request request);

    /** Closes the files. Nothing is in flight, and a FLUSH has gone before. May block briefly. */
    @Override
    void close();
}
