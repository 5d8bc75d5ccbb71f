package org.blktap.format.vhd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.FormatChainTest;
import org.junit.jupiter.api.Test;

class VhdChainTest extends FormatChainTest {
    VhdChainTest() {
        super(new VhdDriver(), VhdDriver.TYPE, "vhd", Map.of());
    }

    /** A block of 2 MiB of which single sectors are here, and the others below or nowhere. */
    @Test
    void eachSectorOfABlockHasItsDepth() throws Exception {
        context.put("/sim/raw", new byte[3 * 4096]);
        driver.create("/sim/middle.vhd", 2 << 20, new TapSpec("aio", "/sim/raw"), context);
        sectors("/sim/middle.vhd", 8, 9, 32);
        driver.create("/sim/a.vhd", 3 << 20, new TapSpec("vhd", "/sim/middle.vhd"), context);
        sectors("/sim/a.vhd", 1, 9);
        VirtualDisk disk = driver.open("/sim/a.vhd", context.forReading());
        assertEquals(
                List.of("3 512", "1 512", "3 3072", "2 512", "1 512", "3 7168", "0 4096", "2 512", "0 3128832"),
                depths(disk, 0, 3 << 20));
        assertEquals(List.of("3 512", "2 512"), depths(disk, 7 * 512, 1024));
        disk.close();
    }

    private void sectors(String path, int... sectors) throws DiskException {
        VirtualDisk disk = driver.open(path, context);
        try (NativeBuffer memory = context.memory().allocate(512)) {
            Memory.fill(memory.address(), 512, (byte) 7);
            for (int sector : sectors) {
                assertEquals(0, loop.submit(disk, Operation.WRITE, sector * 512L, memory.address(), 512));
            }
        }
        disk.close();
        reopen();
    }

    /** What a child of another program has: its parent's names in all locators, and more than a page of blocks. */
    @Test
    void spaceOfFormerHeadersIsUsedAgain() throws Exception {
        for (String name : new String[] {"/sim/b.vhd", "/sim/c.vhd"}) {
            createBase(name, 4 << 20);
        }
        reopen();
        driver.create("/sim/top.vhd", 4 << 20, new TapSpec("vhd", "/sim/b.vhd"), context);
        write("/sim/top.vhd", 1, 0, 20);
        long size = 0;
        for (int i = 0; i < 20; i++) {
            driver.rebase("/sim/top.vhd", new TapSpec("vhd", i % 2 == 0 ? "/sim/c.vhd" : "/sim/b.vhd"), context);
            reopen();
            long now = context.files.get(Path.of("/sim/top.vhd")).bytes().length;
            assertTrue(i < 2 || now == size, size + " grows to " + now);
            size = now;
        }
    }

    @Override
    protected String qemuFormat() {
        return null;
    }
}
