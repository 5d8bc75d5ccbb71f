package org.blktap.aio;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;

/** A file or block device as it is: every request is one operation of the engine. */
final class RawDisk implements VirtualDisk {
    private final IoFile file;
    private final DiskInfo info;

    RawDisk(IoFile file, long sizeBytes, long contentBytes, boolean readOnly) {
        this.file = file;
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", "raw");
        details.put("file", file.path().toString());
        details.put("kind", file.blockDevice() ? "block device" : "regular file");
        details.put("alignment", file.alignment() == 1 ? "none (no O_DIRECT)" : file.alignment() + " (O_DIRECT)");
        if (sizeBytes != file.size()) {
            details.put("size rounded", (sizeBytes > file.size() ? "up" : "down") + ", from " + file.size() + " bytes");
        }
        info = new DiskInfo(sizeBytes, contentBytes, file.sectorSize(), file.physicalSectorSize(), 0, readOnly, true, true, false, details);
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        long offset = request.offset();
        long length = request.length();
        switch (request.operation()) {
            case READ -> file.read(offset, request.data(), 0, length, request);
            case WRITE -> file.write(offset, request.data(), 0, length, request);
            case FLUSH -> file.flush(request);
            case DISCARD -> file.discard(offset, length, request);
            case WRITE_ZEROES -> file.zero(offset, length, !request.has(Request.NO_UNMAP), request);
            case MAP -> file.map(offset, length, request.extents(), request);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
