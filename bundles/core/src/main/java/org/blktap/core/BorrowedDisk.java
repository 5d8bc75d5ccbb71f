package org.blktap.core;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;

/** Shows what an image is that others have open; serves no requests. */
record BorrowedDisk(DiskInfo info) implements VirtualDisk {
    @Override
    public void submit(Request request) {
        request.complete(Errno.EOPNOTSUPP);
    }

    @Override
    public void close() {
        // the image is not its own
    }
}
