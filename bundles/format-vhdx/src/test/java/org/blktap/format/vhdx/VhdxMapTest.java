package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.junit.jupiter.api.Test;

/** Disks of several chunks and several pages of the BAT. */
class VhdxMapTest extends VhdxTest {
    private static final long BLOCKS = 9000;
    /** The first blocks of chunks, and of a page of the BAT: blocks of one request on either side. */
    private static final long[] BORDERS = {4096, 8191, 8192};

    private VirtualDisk open() throws Exception {
        return driver.open(IMAGE, context);
    }

    @Test
    void requestsGoOverChunksAndPages() throws Exception {
        context.files.clear();
        driver.create(IMAGE, BLOCKS * MIB, null, context);
        reopen();
        VirtualDisk disk = open();
        for (long border : BORDERS) {
            assertEquals(0, write(disk, border * MIB - 4096, 8192, (int) (border & 63) + 1));
        }
        for (int round = 0; round < 2; round++) {
            for (long border : BORDERS) {
                int expected = (int) (border & 63) + 1;
                assertEquals(0, read(disk, border * MIB - 4097));
                assertEquals(expected, read(disk, border * MIB - 4096));
                assertEquals(expected, read(disk, border * MIB + 4095));
                assertEquals(0, read(disk, border * MIB + 4096));
            }
            assertEquals(0, submit(disk, Operation.READ, 8191L * MIB - MIB / 2, MIB));
            disk.close();
            reopen();
            disk = open();
        }
        disk.close();
        reopen();
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertTrue(report.clean());
        assertEquals(5, report.clusters());
        assertEquals(0, report.leaked());
    }

    @Test
    void aRequestOfManyBlocksIsTakenApart() throws Exception {
        context.files.clear();
        driver.create(IMAGE, BLOCKS * MIB, null, context);
        reopen();
        VirtualDisk disk = open();
        int[] error = {-1};
        Request request = new Request(done -> error[0] = done.error(), 1);
        disk.submit(request.set(Operation.WRITE_ZEROES, 8100L * MIB + 512, 100L * MIB, Request.NO_UNMAP));
        loop.drain();
        assertEquals(0, error[0]);
        // blocks that follow each other are one run of the file
        ExtentList list = new ExtentList();
        disk.submit(request.setMap(0, BLOCKS * MIB, list));
        loop.drain();
        assertEquals(BLOCKS * MIB, list.total());
        disk.close();
        reopen();
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertTrue(report.clean());
        assertEquals(101, report.clusters());
    }
}
