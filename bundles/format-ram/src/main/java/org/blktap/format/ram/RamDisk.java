package org.blktap.format.ram;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.NativeBuffer;

/**
 * A run of memory as a disk. Data moves directly between it and the VM's memory, and every request ends before submit
 * returns. Several attachments, each on its own loop, may use one memory, as several hosts use one shared disk.
 */
final class RamDisk implements VirtualDisk {
    private final NativeBuffer memory;
    private final DiskInfo info;
    private final Path save;
    private final BooleanSupplier last;

    /**
     * @param save the file that gets the contents when the last attachment is detached, or null
     * @param last whether there is no other attachment
     */
    RamDisk(NativeBuffer memory, String name, boolean readOnly, Path save, BooleanSupplier last) {
        this.memory = memory;
        this.save = save;
        this.last = last;
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", RamDriver.TYPE);
        details.put("name", name);
        if (save != null) {
            details.put("saved to", save.toString());
        }
        info = DiskInfo.ofSize(memory.size())
                .withBlocks(SECTOR, PAGE)
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
            case READ -> request.data().copyFrom(memory.address() + offset, 0, length);
            case WRITE -> request.data().copyTo(memory.address() + offset, 0, length);
            case DISCARD, WRITE_ZEROES -> memory.discard(offset, length);
            case MAP -> request.extents().add(length, ExtentList.DATA);
            case FLUSH -> {
                // nothing to do: memory has no cache to flush
            }
        }
        request.complete(0);
    }

    @Override
    public boolean savesAtDetach() {
        return save != null;
    }

    @Override
    public void beforeDetach() throws DiskException {
        if (save != null && last.getAsBoolean()) {
            RamSave.to(save, memory);
        }
    }

    @Override
    public void close() {
        // nothing to close: the attachment holds the memory
    }
}
