package org.blktap.format.vhdx;

import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;

/** Parents with given contents, for tests of overlays. */
final class VhdxChains {
    private static final String GRANDPARENT = "/sim/grandparent.vhdx";
    /** Where a fixed image in blocks of 1 MiB has its first byte. */
    private static final int PAYLOAD = 4 << 20;

    private static final int PIECE = 64 << 10;

    private VhdxChains() {}

    /** Makes a fixed image. */
    static TapSpec fixed(SimContext context, String path, byte[] contents, String sectorSize) throws DiskException {
        Map<String, String> options = Map.of("block-size", "1M", "subformat", "fixed", "sector-size", sectorSize);
        SimContext making = context.with(options);
        new VhdxDriver().create(path, contents.length, null, making);
        byte[] image = making.files.get(Path.of(path)).bytes();
        System.arraycopy(contents, 0, image, PAYLOAD, contents.length);
        context.put(path, image);
        return new TapSpec("vhdx", path);
    }

    /** Makes a chain of two images, each of which has parts of the contents; the lower has garbage elsewhere. */
    static TapSpec two(SimContext context, String path, byte[] contents, String sectorSize, Random random)
            throws DiskException {
        byte[] below = contents.clone();
        boolean[] above = new boolean[contents.length / 512];
        for (int i = 0; i < above.length; ) {
            int length = Math.min(above.length - i, 1 + random.nextInt(random.nextBoolean() ? 100 : 4000));
            if (random.nextBoolean()) {
                for (int sector = i; sector < i + length; sector++) {
                    above[sector] = true;
                    below[sector * 512 + random.nextInt(512)] ^= 0x55;
                }
            }
            i += length;
        }
        TapSpec grandparent = fixed(context, GRANDPARENT, below, sectorSize);
        SimContext making = context.with(Map.of("block-size", random.nextBoolean() ? "1M" : "2M"));
        VhdxDriver driver = new VhdxDriver();
        making.drivers.put("vhdx", driver);
        driver.create(path, -1, grandparent, making);
        try (NativeBuffer memory = making.memory().allocate(PIECE);
                VirtualDisk disk = driver.open(path, making)) {
            for (int i = 0; i < above.length; ) {
                int end = i;
                while (end < above.length && end - i < PIECE / 512 && above[end]) {
                    end++;
                }
                if (end > i) {
                    memory.bytes().put(contents, i * 512, (end - i) * 512);
                    int error = making.loop.submit(disk, Operation.WRITE, i * 512L, memory.address(), (end - i) * 512);
                    if (error != 0) {
                        throw new AssertionError("errno " + error);
                    }
                }
                i = Math.max(end, i + 1);
            }
        }
        making.files.forEach((file, bytes) -> context.put(file.toString(), bytes.bytes()));
        return new TapSpec("vhdx", path);
    }
}
