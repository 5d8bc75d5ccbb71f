package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.FormatChainTest;
import org.blktap.image.sim.SimContext;
import org.junit.jupiter.api.Test;

class Qcow2ChainTest extends FormatChainTest {
    Qcow2ChainTest() {
        super(new Qcow2Driver(), Qcow2Driver.TYPE, "qcow2", Map.of());
    }

    private static final int CLUSTER = 64 << 10;

    private void request(String path, Operation operation, long offset, int length) throws DiskException {
        VirtualDisk disk = driver.open(path, context);
        assertEquals(0, loop.submit(disk, operation, offset, 0, length));
        disk.close();
        reopen();
    }

    /** Zero clusters are the image's own, over a backing image and without one; a discarded one is nobody's. */
    @Test
    void zeroClustersHaveADepth() throws Exception {
        createBase("/sim/base.qcow2", 8 * UNIT);
        write("/sim/base.qcow2", 1, 0, 1, 2, 3);
        request("/sim/base.qcow2", Operation.WRITE_ZEROES, 3 * UNIT, UNIT);
        request("/sim/base.qcow2", Operation.DISCARD, 2 * UNIT, UNIT);
        driver.create("/sim/top.qcow2", 8 * UNIT, new TapSpec("qcow2", "/sim/base.qcow2"), context);
        request("/sim/top.qcow2", Operation.WRITE_ZEROES, 0, UNIT);
        VirtualDisk disk = driver.open("/sim/top.qcow2", context.forReading());
        assertEquals(
                List.of("1 " + UNIT, "2 " + UNIT, "0 " + UNIT, "2 " + UNIT, "0 " + 4 * UNIT),
                depths(disk, 0, 8 * UNIT));
        disk.close();
    }

    @Test
    void compressedClustersAndAnExternalDataFileHaveADepth() throws Exception {
        try (CompressedImage image = driver.createCompressed("/sim/base.qcow2", 8 * UNIT, context)) {
            ByteBuffer cluster = ByteBuffer.allocate(image.clusterSize());
            Arrays.fill(cluster.array(), (byte) 3);
            image.append(CLUSTER, cluster, image.compress(cluster.duplicate()));
            image.finish();
        }
        reopen();
        SimContext external = context.with(Map.of("data-file", "top.data"));
        driver.create("/sim/top.qcow2", 8 * UNIT, new TapSpec("qcow2", "/sim/base.qcow2"), external);
        context.files.putAll(external.files);
        reopen();
        write("/sim/top.qcow2", 4, 2);
        VirtualDisk disk = driver.open("/sim/top.qcow2", context.forReading());
        assertEquals(
                List.of("0 " + CLUSTER, "2 " + CLUSTER, "0 " + UNIT, "1 " + UNIT, "0 " + 5 * UNIT),
                depths(disk, 0, 8 * UNIT));
        disk.close();
    }

    /** The header of another program: features by name, no format of the backing file. */
    @Test
    void whatIsInTheHeaderStays() throws Exception {
        createBase("/sim/base.qcow2", 8 * UNIT);
        byte[] image = context.files.get(Path.of("/sim/base.qcow2")).bytes();
        ByteBuffer b = ByteBuffer.wrap(image);
        byte[] unknown = {1, 2, 3, 4, 5};
        b.position(Qcow2Header.FULL_LENGTH);
        b.putInt(0x12345678).putInt(unknown.length).put(unknown).position(b.position() + 3);
        b.putInt(Qcow2Header.EXT_FEATURE_NAMES).putInt(48 * 7).position(b.position() + 48 * 7);
        b.putInt(0).putInt(0);
        context.put("/sim/top.qcow2", image);
        context.put("/sim/raw", new byte[UNIT]);
        for (TapSpec below :
                new TapSpec[] {new TapSpec("qcow2", "/sim/base.qcow2"), new TapSpec("aio", "/sim/raw"), null}) {
            driver.rebase("/sim/top.qcow2", below, context);
            reopen();
            Qcow2Header header = Qcow2Header.read(context.files.get(Path.of("/sim/top.qcow2")));
            assertArrayEquals(unknown, header.extensions().get(0x12345678));
            assertEquals(
                    below == null ? null : below.type().equals("aio") ? "raw" : "qcow2",
                    header.extensionText(Qcow2Header.EXT_BACKING_FORMAT));
            VirtualDisk disk = driver.open("/sim/top.qcow2", context.forReading());
            assertEquals(below, disk.info().backing());
            disk.close();
        }
    }

    @Override
    protected String qemuFormat() {
        return "qcow2";
    }
}
