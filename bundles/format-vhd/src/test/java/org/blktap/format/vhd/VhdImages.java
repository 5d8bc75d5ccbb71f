package org.blktap.format.vhd;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;

/** Simulated images, made, changed, and used one request at a time. */
final class VhdImages implements AutoCloseable {
    static final String IMAGE = "/sim/a.vhd";
    /** Where the driver puts them at creation. */
    static final int HEADER = 512;

    static final int BAT = 1536;

    final SimLoop loop = new SimLoop(new Random(1));
    final VhdDriver driver = new VhdDriver();
    final NativeBuffer memory = Mapping.anonymous(4 << 20);
    SimContext context;

    VhdImages(Map<String, String> options) {
        context = new SimContext(loop, false, options);
        context.drivers.put("vhd", driver);
    }

    SimFile create(String path, long size, TapSpec backing) throws DiskException {
        context.files.remove(Path.of(path));
        driver.create(path, size, backing, context);
        return put(path, bytes(path));
    }

    /** A new dynamic image, changed; the checksums are put right unless the change is about them. */
    SimFile changed(long size, Consumer<ByteBuffer> change) throws DiskException {
        create(IMAGE, size, null);
        ByteBuffer b = ByteBuffer.wrap(bytes(IMAGE));
        change.accept(b);
        return put(IMAGE, b.array());
    }

    static void seal(ByteBuffer b, int from, int length, int atChecksum) {
        b.putInt(from + atChecksum, VhdFooter.checksum(b.slice(from, length), atChecksum));
    }

    static void sealHeader(ByteBuffer b) {
        seal(b, HEADER, 1024, 36);
    }

    /** Changes both footers. */
    static void footers(ByteBuffer b, Consumer<ByteBuffer> change) {
        for (int at : new int[] {0, b.capacity() - 512}) {
            change.accept(b.slice(at, 512));
            seal(b, at, 512, 64);
        }
    }

    SimFile put(String path, byte[] bytes) {
        return context.put(path, bytes);
    }

    byte[] bytes(String path) {
        return context.files.get(Path.of(path)).bytes();
    }

    /** As another process would find it. */
    void reopen() {
        for (Path path : context.files.keySet().toArray(new Path[0])) {
            put(path.toString(), bytes(path.toString()));
        }
    }

    VirtualDisk open() throws DiskException {
        reopen();
        return driver.open(IMAGE, context);
    }

    int submit(VirtualDisk disk, Operation operation, long offset, int length) {
        return loop.submit(disk, operation, offset, memory.address(), length);
    }

    int write(VirtualDisk disk, long offset, int length, int value) {
        Memory.fill(memory.address(), length, (byte) value);
        return submit(disk, Operation.WRITE, offset, length);
    }

    /** The byte that the whole range holds, or -1 if there are several; an errno as -1000 less it. */
    int read(VirtualDisk disk, long offset, int length) {
        Memory.fill(memory.address(), length, (byte) 99);
        int error = submit(disk, Operation.READ, offset, length);
        if (error != 0) {
            return -1000 - error;
        }
        for (int i = 1; i < length; i++) {
            if (Memory.getByte(memory.address() + i) != Memory.getByte(memory.address())) {
                return -1;
            }
        }
        return Memory.getByte(memory.address());
    }

    @Override
    public void close() {
        memory.close();
    }
}
