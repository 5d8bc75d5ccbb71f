package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.ExtentList;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Damages good images at random and uses them: opening, requests and a check end, with no exception but {@link DiskException}, and
 * without more native memory than {@link #MOST_MEMORY}. The seed is printed; {@code -Dseed=} repeats one, {@code -Dfuzz=} tries more.
 */
@Timeout(900)
public abstract class FormatFuzzTest {
    /** Whatever an image says. */
    private static final long MOST_MEMORY = 256 << 20;
    private static final long SLOW_MILLISECONDS = 20_000;
    private static final int REQUESTS = 40;
    private static final int LONGEST = 256;
    private static final String BASE = FormatModelTest.BASE;
    private static final long[] WORDS = {0, 1, 2, 3, 7, 8, 9, 511, 512, 513, 4096, 65535, 65536, 1 << 20, Integer.MAX_VALUE, Integer.MIN_VALUE, -1, -2,
        -512, 0xffff_ffffL, 1L << 32, 1L << 40, 1L << 62, Long.MAX_VALUE, Long.MIN_VALUE};

    /** Held, as its level would be forgotten with it: what is wrong with each image is told thousands of times. */
    private static final Logger QUIET = Logger.getLogger("org.blktap");

    private final DiskDriver driver;
    private final String image;
    private final int rounds;
    private final long seed = Long.getLong("seed", System.nanoTime());

    /** @param image where it is, in {@code /sim} */
    protected FormatFuzzTest(DiskDriver driver, String image) {
        this.driver = driver;
        this.image = image;
        this.rounds = Integer.getInteger("fuzz", 400);
    }

    /** An image to damage. */
    protected abstract FormatModelTest.Kind kind(Random random);

    /** Makes the backing image; see {@link FormatModelTest#base}. */
    protected TapSpec base(SimContext context, byte[] contents) throws DiskException {
        context.put(BASE, contents);
        return new TapSpec("aio", BASE);
    }

    /** Makes checksums right again, so that what is behind them is tried too. */
    protected void mendChecksums(byte[] bytes) {
        // most have none
    }

    @Test
    void damagedImagesHarmNobody() {
        QUIET.setLevel(Level.OFF);
        int opened = 0;
        for (int i = 0; i < rounds; i++) {
            long roundSeed = seed + i;
            long start = System.currentTimeMillis();
            try {
                opened += round(FormatModelTest.random(roundSeed)) ? 1 : 0;
            } catch (Throwable e) {
                throw new AssertionError("-Dseed=" + roundSeed + " -Dfuzz=1", e);
            }
            long took = System.currentTimeMillis() - start;
            assertTrue(took < SLOW_MILLISECONDS, "-Dseed=" + roundSeed + " -Dfuzz=1 took " + took + " ms");
        }
        System.out.println(getClass().getSimpleName() + ": seed " + seed + ", " + opened + " of " + rounds + " opened");
    }

    private boolean round(Random random) throws DiskException {
        FormatModelTest.Kind kind = kind(random);
        SimContext context = new SimContext(new SimLoop(random), false, kind.options());
        TapSpec backing = null;
        if (kind.baseSize() > 0) {
            byte[] contents = new byte[(int) kind.baseSize()];
            random.nextBytes(contents);
            backing = base(context, contents);
        }
        driver.create(image, kind.size(), backing, context);
        renew(context);
        VirtualDisk good = driver.open(image, context);
        use(good, context, random);
        good.close();
        Map<Path, SimFile> files = new HashMap<>(context.files);
        files.keySet().removeIf(path -> path.toString().equals(BASE));
        List<Path> own = new ArrayList<>(files.keySet());
        own.sort(null);
        Path victim = random.nextInt(4) == 0 ? own.get(random.nextInt(own.size())) : Path.of(image);
        byte[] damaged = damage(context.files.get(victim).bytes(), random);
        if (random.nextInt(4) != 0) {
            mendChecksums(damaged);
        }
        context.put(victim.toString(), damaged);
        renew(context);
        context.memory.limit(MOST_MEMORY);
        boolean readOnly = random.nextInt(4) == 0;
        boolean opened = false;
        try {
            VirtualDisk disk = driver.open(image, readOnly ? context.forReading() : context);
            opened = true;
            use(disk, context, random);
            disk.close();
        } catch (DiskException e) {
            assertTrue(e.getMessage() != null && !e.getMessage().isEmpty());
        }
        assertEquals(0, context.memory.inUse(), "native memory was left behind");
        renew(context);
        try {
            driver.check(image, context.forReading());
        } catch (DiskException e) {
            assertTrue(e.getMessage() != null && !e.getMessage().isEmpty());
        }
        assertEquals(0, context.memory.inUse(), "native memory was left behind by a check");
        return opened;
    }

    private static void renew(SimContext context) {
        for (Path each : new ArrayList<>(context.files.keySet())) {
            context.put(each.toString(), context.files.get(each).bytes());
        }
    }

    /** Some requests, all of which have to end; whether well or not does not matter. */
    private static void use(VirtualDisk disk, SimContext context, Random random) {
        long sectors = disk.info().sizeBytes() / 512;
        if (sectors == 0) {
            return;
        }
        int[] ended = {0};
        try (NativeBuffer memory = Mapping.anonymous(LONGEST * 512L)) {
            for (int i = 0; i < REQUESTS; i++) {
                int length = (int) Math.min(sectors, 1 + random.nextInt(LONGEST));
                long first = random.nextInt(3) == 0 ? 0 : random.nextInt(3) == 0 ? sectors - length
                        : (random.nextLong() >>> 1) % (sectors - length + 1);
                Operation operation = disk.info().readOnly() ? random.nextBoolean() ? Operation.READ : Operation.MAP
                        : Operation.values()[random.nextInt(Operation.values().length)];
                Request request = new Request(done -> ended[0]++, 1);
                if (operation == Operation.READ || operation == Operation.WRITE) {
                    request.data().add(memory.address(), length * 512);
                }
                if (operation == Operation.MAP) {
                    request.setMap(first * 512, length * 512L, new ExtentList());
                } else if (operation == Operation.FLUSH) {
                    request.set(operation, 0, 0, 0);
                } else {
                    request.set(operation, first * 512, length * 512L, operation == Operation.WRITE_ZEROES && random.nextBoolean() ? Request.NO_UNMAP : 0);
                }
                disk.submit(request);
                if (random.nextInt(4) == 0) {
                    context.loop.drain();
                }
            }
            context.loop.drain();
        }
        assertEquals(REQUESTS, ended[0], "requests that ended");
    }

    private static byte[] damage(byte[] good, Random random) {
        byte[] bytes = good.clone();
        if (random.nextInt(8) == 0) {
            bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length + 1));
        }
        int changes = 1 + random.nextInt(6);
        for (int i = 0; i < changes && bytes.length > 16; i++) {
            int at = place(bytes, random);
            switch (random.nextInt(5)) {
                case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes[at] = (byte) random.nextInt();
                case 2 -> put(bytes, at, WORDS[random.nextInt(WORDS.length)], random);
                case 3 -> {
                    // near what is there already
                    int from = place(bytes, random);
                    System.arraycopy(bytes, Math.min(from, bytes.length - 16), bytes, Math.min(at, bytes.length - 16), 1 + random.nextInt(16));
                }
                default -> put(bytes, at, (random.nextLong() >>> 1) % (bytes.length * 2L) & -(1L << random.nextInt(17)), random);
            }
        }
        return bytes;
    }

    /** Mostly in the first sectors or the last, where headers are, or in bytes that are not zero, as tables are. */
    private static int place(byte[] bytes, Random random) {
        int kind = random.nextInt(10);
        if (kind < 5) {
            return random.nextInt(Math.min(bytes.length, 1 << 7 + random.nextInt(6)));
        }
        if (kind < 6) {
            return bytes.length - 1 - random.nextInt(Math.min(bytes.length, 1024));
        }
        int at = random.nextInt(bytes.length);
        for (int i = 0; i < 4096 && bytes[at] == 0; i++) {
            at = (at + 1) % bytes.length;
        }
        return at;
    }

    private static void put(byte[] bytes, int at, long word, Random random) {
        int width = 1 << random.nextInt(4);
        int aligned = Math.min(at & -width, bytes.length - 8);
        ByteBuffer b = ByteBuffer.wrap(bytes);
        long value = random.nextBoolean() ? word : Long.reverseBytes(word) >>> 64 - 8 * width;
        switch (width) {
            case 1 -> b.put(aligned, (byte) value);
            case 2 -> b.putShort(aligned, (short) value);
            case 4 -> b.putInt(aligned, (int) value);
            default -> b.putLong(aligned, value);
        }
    }
}
