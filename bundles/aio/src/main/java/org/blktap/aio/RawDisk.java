package org.blktap.aio;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/** A file or block device as it is: every request is one operation of the engine. */
final class RawDisk implements VirtualDisk {
    private final IoFile file;
    private final DiskInfo info;
    /** Offset of the last sector, if the file ends inside it; else the size of the disk. */
    private final long wholeSectors;

    /**
     * @param sizeBytes the size of the file, perhaps rounded to sectors; bytes past the end of the file are zeros
     * @param contentBytes bytes of the disk that are in the file
     */
    RawDisk(IoFile file, long sizeBytes, long contentBytes, boolean readOnly) {
        this.file = file;
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", RawDriver.TYPE);
        details.put("file", FileNames.text(file.path()));
        details.put("kind", file.blockDevice() ? "block device" : "regular file");
        details.put("alignment", file.alignment() == 1 ? "none (no O_DIRECT)" : file.alignment() + " (O_DIRECT)");
        if (sizeBytes != file.size()) {
            details.put("size rounded", (sizeBytes > file.size() ? "up" : "down") + ", from " + file.size() + " bytes");
        }
        wholeSectors = sizeBytes > file.size() ? Alignment.down(file.size(), SECTOR) : sizeBytes;
        info = DiskInfo.ofContents(contentBytes)
                .withBlocks(file.sectorSize(), file.physicalSectorSize())
                .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                .withReadOnly(readOnly)
                .withDetails(details);
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
            case MAP -> map(request, offset, Math.min(length, wholeSectors - offset));
        }
    }

    /** Maps a range. The file ends at any byte, while a disk has whole sectors. */
    private void map(Request request, long offset, long whole) {
        if (whole > 0 && !request.has(Request.DEPTH_ONLY)) {
            file.map(offset, whole, request.extents(), request);
        } else {
            request.extents().add(request.length(), ExtentList.DATA);
            request.complete(0);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
