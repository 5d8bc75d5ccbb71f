package org.blktap.format.vmdk;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.concurrent.ThreadLocalRandom;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.memory.Segments;

/**
 * A disk that gets a new CID before its contents change for the first time since it was opened: what lies on it as its children knows
 * then that it is not the parent any more that it was. The first changes wait until the CID survives power loss.
 */
final class VmdkDisk implements VirtualDisk, IoCallback {
    private final VirtualDisk disk;
    private final IoFile file;
    private final long cidAt;
    private final NativeBuffer memory;
    private final int cidDigits;
    private final Segments cid = new Segments(1);
    private final IoCallback flushed = this::flushed;
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private boolean changed;
    private boolean writing;

    /** @param disk what the requests go to; closed with this */
    VmdkDisk(VirtualDisk disk, VmdkImage image, NativeMemory nativeMemory) {
        this.disk = disk;
        file = image.file();
        Descriptor descriptor = image.descriptor();
        cidAt = image.descriptorAt() + descriptor.cidOffset();
        byte[] text = descriptor.newCid(ThreadLocalRandom.current()).getBytes(StandardCharsets.US_ASCII);
        cidDigits = text.length;
        memory = nativeMemory.allocate(cidDigits);
        memory.bytes(0, cidDigits).put(text);
        cid.add(memory.address(), cidDigits);
    }

    @Override
    public DiskInfo info() {
        return disk.info();
    }

    @Override
    public void submit(Request request) {
        if (changed) {
            disk.submit(request);
            return;
        }
        switch (request.operation()) {
            case READ, FLUSH, MAP -> disk.submit(request);
            case WRITE, DISCARD, WRITE_ZEROES -> firstChange(request);
        }
    }

    private void firstChange(Request request) {
        waiting.add(request);
        if (!writing) {
            writing = true;
            file.write(cidAt, cid, 0, cidDigits, this);
        }
    }

    /** The CID is written. */
    @Override
    public void done(int error) {
        if (error != 0) {
            flushed(error);
        } else {
            file.flush(flushed);
        }
    }

    private void flushed(int error) {
        writing = false;
        changed = error == 0;
        // one that fails is tried again by the next change
        for (int n = waiting.size(); n > 0; n--) {
            Request request = waiting.poll();
            if (changed) {
                disk.submit(request);
            } else {
                request.complete(error);
            }
        }
    }

    @Override
    public void close() {
        disk.close();
        memory.close();
    }
}
