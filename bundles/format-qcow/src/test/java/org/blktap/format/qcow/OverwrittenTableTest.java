package org.blktap.format.qcow;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;

/** Images whose first L2 table Xen 3.3 has overwritten with its header; the checksum of the extension does not fit. */
class OverwrittenTableTest {
    private static final String IMAGE = "/sim/a.qcow";
    private static final int TABLE = 8192;
    private static final int CLUSTERS = TABLE + 4096;
    private static final int SLOT = 2 << 20;

    private final SimLoop loop = new SimLoop(new Random(1));
    private final SimContext context = new SimContext(loop, false, Map.of());
    private final QcowDriver driver = new QcowDriver();

    /** Two slots; cluster i of the first one holds bytes of i. */
    private byte[] image(int minClusterAlloc, int entriesLeft) {
        ByteBuffer image = ByteBuffer.allocate(CLUSTERS + SLOT);
        ByteBuffer header = new QcowHeader(
                        0, 0, 2L * SLOT, 12, 9, 4096, new QcowHeader.XenExtension(12345, minClusterAlloc, 1))
                .bytes(null);
        image.put(0, header, 0, header.remaining());
        image.putLong(4096, TABLE);
        for (int i = 0; i < 512; i++) {
            image.putLong(TABLE + i * 8, i < entriesLeft ? CLUSTERS + i * 4096L : 0);
            for (int j = 0; j < 4096; j++) {
                image.put(CLUSTERS + i * 4096 + j, (byte) i);
            }
        }
        ByteBuffer overwrites = ByteBuffer.allocate(512);
        overwrites.put(header.duplicate());
        image.put(TABLE, overwrites, 0, 512);
        return image.array();
    }

    private int read(SimContext how, int cluster, int[] found) throws Exception {
        try (NativeBuffer memory = Mapping.anonymous(4096)) {
            VirtualDisk disk = driver.open(IMAGE, how);
            int error = loop.submit(disk, Operation.READ, cluster * 4096L, memory.address(), 4096);
            found[0] = Memory.getByte(memory.address() + 77);
            disk.close();
            context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
            return error;
        }
    }

    @Test
    void itIsReadByTheRuleThatTheExtensionAnnounces() throws Exception {
        int[] found = {0};
        byte[] image = image(512, 512);
        for (int cluster : new int[] {0, 5, 63, 64, 100}) {
            context.put(IMAGE, image);
            assertEquals(0, read(context.forReading(), cluster, found));
            assertEquals(cluster, found[0]);
            assertEquals(
                    ByteBuffer.wrap(image),
                    ByteBuffer.wrap(context.files.get(Path.of(IMAGE)).bytes()));
        }
        context.put(IMAGE, image);
        assertEquals(0, read(context, 5, found));
        assertEquals(5, found[0]);
        assertEquals(
                CLUSTERS + 5 * 4096L,
                ByteBuffer.wrap(context.files.get(Path.of(IMAGE)).bytes()).getLong(TABLE + 5 * 8));
    }

    @Test
    void aCheckTellsAndRepairsIt() throws Exception {
        context.put(IMAGE, image(512, 512));
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertEquals(List.of(), report.problems());
        assertEquals(1, report.repairs().size());
        assertEquals(0, report.leaked());
        context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
        assertEquals(1, driver.check(IMAGE, context).repairs().size());
        context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
        assertEquals(List.of(), driver.check(IMAGE, context.forReading()).repairs());
    }

    /** Nothing is read as zeros that may have been written. */
    @Test
    void whereNothingVouchesForTheRuleItIsAnError() throws Exception {
        int[] found = {0};
        for (byte[] image : List.of(image(1, 512), image(512, 100))) {
            context.put(IMAGE, image);
            assertEquals(Errno.EIO, read(context.forReading(), 20, found));
            context.put(IMAGE, image);
            assertEquals(Errno.EIO, read(context, 20, found));
        }
    }
}
