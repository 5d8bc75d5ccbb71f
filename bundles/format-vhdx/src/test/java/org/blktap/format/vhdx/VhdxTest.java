package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;

/**
 * Images to change byte by byte: a disk of 8 MiB in blocks of 1 MiB; log at 1 MiB, metadata at 2 MiB, BAT at 3 MiB,
 * payload from 4 MiB on.
 */
@Timeout(300)
abstract class VhdxTest {
    static final String IMAGE = "/sim/a.vhdx";
    static final int MIB = 1 << 20;
    static final int SIZE = 8 * MIB;
    static final int LOG = MIB;
    static final int METADATA = 2 * MIB;
    static final int ITEMS = METADATA + VhdxMetadata.TABLE_BYTES;
    static final int BAT = 3 * MIB;
    static final int PAYLOAD = 4 * MIB;
    final SimLoop loop = new SimLoop(new Random(1));
    final SimContext context = new SimContext(loop, false, Map.of("block-size", "1M"));
    final VhdxDriver driver = new VhdxDriver();
    final NativeBuffer memory = Mapping.anonymous(MIB);

    @AfterEach
    void free() {
        memory.close();
    }

    /** An empty image, changed, with right checksums. */
    SimFile image(Consumer<ByteBuffer> change) {
        return image(IMAGE, b -> {
            change.accept(b);
            seal(b);
        });
    }

    SimFile image(String path, Consumer<ByteBuffer> change) {
        try {
            context.files.remove(Path.of(path));
            driver.create(path, SIZE, null, context);
        } catch (DiskException e) {
            throw new AssertionError(e);
        }
        return put(path, context.files.get(Path.of(path)).bytes(), change);
    }

    SimFile put(String path, byte[] bytes, Consumer<ByteBuffer> change) {
        ByteBuffer image = ByteBuffer.allocate(PAYLOAD + 4 * MIB).order(ByteOrder.LITTLE_ENDIAN);
        image.put(bytes).clear();
        change.accept(image);
        return context.put(path, image.array());
    }

    static void seal(ByteBuffer image) {
        for (long at : new long[] {VhdxHeader.FIRST_OFFSET, VhdxHeader.SECOND_OFFSET}) {
            seal(image, (int) at, Layout.SECTOR);
        }
        for (long at : new long[] {Regions.FIRST_OFFSET, Regions.SECOND_OFFSET}) {
            seal(image, (int) at, Regions.BYTES);
        }
    }

    static void seal(ByteBuffer image, int at, int length) {
        image.putInt(at + 4, Layout.checksum(image.slice(at, length).order(ByteOrder.LITTLE_ENDIAN)));
    }

    String refused(Reason reason, Consumer<ByteBuffer> change) {
        return refusedAsItIs(reason, image(change));
    }

    String refusedAsItIs(Reason reason, SimFile file) {
        DiskException e = assertThrows(DiskException.class, () -> driver.open(IMAGE, context));
        assertEquals(reason, e.reason(), e.getMessage());
        assertTrue(e.getMessage().contains(IMAGE), e.getMessage());
        assertTrue(file.isClosed());
        return e.getMessage();
    }

    int submit(VirtualDisk disk, Operation operation, long offset, int length) {
        return loop.submit(disk, operation, offset, memory.address(), length);
    }

    int write(VirtualDisk disk, long offset, int length, int value) {
        Memory.fill(memory.address(), length, (byte) value);
        return submit(disk, Operation.WRITE, offset, length);
    }

    /** The byte at an offset of the disk. */
    int read(VirtualDisk disk, long offset) {
        assertEquals(0, submit(disk, Operation.READ, offset & -512, 512));
        return memory.bytes().get((int) offset & 511);
    }

    /** As after the end of one process and the start of another. */
    SimFile reopen() {
        return context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
    }
}
