package org.blktap.image.sim;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoFile;

/** A file as a read-only disk. */
final class SimRawDisk implements VirtualDisk {
    private final IoFile file;
    private final DiskInfo info;

    SimRawDisk(IoFile file) {
        this.file = file;
        info = DiskInfo.ofSize(file.size() & -512);
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        switch (request.operation()) {
            case READ -> file.read(request.offset(), request.data(), 0, request.length(), request);
            case MAP -> file.map(request.offset(), request.length(), request.extents(), request);
            default -> request.complete(Errno.EROFS);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
