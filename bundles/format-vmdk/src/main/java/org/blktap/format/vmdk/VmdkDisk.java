package org.blktap.format.vmdk;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.ThreadLocalRandom;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.memory.Segments;
import org.blktap.image.FirstChangeDisk;

/**
 * Gives an image a new CID before its first change, by which its children detect that their parent has changed. The
 * first changes wait until the CID is durable.
 */
final class VmdkDisk extends FirstChangeDisk {
    private final IoFile file;
    private final long cidAt;
    private final NativeBuffer memory;
    private final int cidDigits;
    private final Segments cid = new Segments(1);

    VmdkDisk(VirtualDisk disk, VmdkImage image, NativeMemory nativeMemory) {
        super(disk);
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
    protected void mark(IoCallback done) {
        file.write(cidAt, cid, 0, cidDigits, error -> {
            if (error != 0) {
                done.done(error);
            } else {
                file.flush(done);
            }
        });
    }

    @Override
    public void close() {
        super.close();
        memory.close();
    }
}
