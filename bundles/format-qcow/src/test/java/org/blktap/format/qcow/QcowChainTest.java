package org.blktap.format.qcow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.FormatChainTest;
import org.junit.jupiter.api.Test;

class QcowChainTest extends FormatChainTest {
    private static final String TOP = "/sim/top.qcow";
    private static final TapSpec NEAR = new TapSpec("qcow", "/sim/a.qcow");
    private static final TapSpec FAR = new TapSpec("qcow", "/sim/" + "d".repeat(240) + "/" + "e".repeat(240) + ".qcow");

    QcowChainTest() {
        super(new QcowDriver(), QcowDriver.TYPE, "qcow", Map.of());
    }

    @Override
    protected String qemuFormat() {
        return "qcow";
    }

    private VirtualDisk open() throws DiskException {
        reopen();
        return driver.open(TOP, context.forReading());
    }

    /**
     * Nothing is free after the header of such an image: the name goes to the end of the file, which a repair spares.
     */
    @Test
    void anImageOfQemuGetsALongName() throws Exception {
        createBase(NEAR.path(), 4 * UNIT);
        write(NEAR.path(), 1, 0);
        Path image = written();
        qemuImg("create", "-q", "-f", "qcow", "-b", "a.qcow", "-F", "qcow", image.toString(), "512K");
        context.put(TOP, Files.readAllBytes(image));
        createBase(FAR.path(), 4 * UNIT);
        write(FAR.path(), 2, 0);
        for (int i = 0; i < 4; i++) {
            driver.rebase(TOP, FAR, context);
            reopen();
            write(TOP, 5, 1 + i % 2);
            assertEquals(List.of(), driver.check(TOP, context).problems());
            assertEquals(0, driver.check(TOP, context.forReading()).leaked());
            VirtualDisk disk = open();
            assertEquals(FAR, disk.info().backing());
            assertEquals(2, read(disk, 0));
            assertEquals(5, read(disk, 1));
            disk.close();
            driver.rebase(TOP, NEAR, context);
            disk = open();
            assertEquals(NEAR, disk.info().backing());
            assertEquals(1, read(disk, 0));
            disk.close();
        }
        driver.resize(TOP, 64 << 20, context);
        driver.rebase(TOP, FAR, context);
        VirtualDisk disk = open();
        assertEquals(5, read(disk, 1));
        disk.close();
    }

    /** Slots that are allocated as one end with the first backing file: after it, no table follows their rule. */
    @Test
    void anImageOfCoarseSlotsGetsABackingFile() throws Exception {
        createBase(NEAR.path(), 100 * UNIT);
        write(NEAR.path(), 1, 0, 20, 40);
        createBase(TOP, 100 * UNIT);
        write(TOP, 2, 1);
        VirtualDisk disk = open();
        assertEquals("in use", disk.info().details().get("Xen extension"));
        disk.close();
        driver.rebase(TOP, NEAR, context);
        write(TOP, 3, 22, 21);
        driver.rebase(TOP, null, context);
        disk = open();
        assertTrue(!"in use".equals(disk.info().details().get("Xen extension")));
        int[] expected = {0, 2, 0};
        for (int unit = 0; unit < expected.length; unit++) {
            assertEquals(expected[unit], read(disk, unit));
            assertEquals(unit == 0 ? 0 : 3, read(disk, 20 + unit));
        }
        disk.close();
        assertEquals(List.of(), driver.check(TOP, context.forReading()).problems());
    }
}
