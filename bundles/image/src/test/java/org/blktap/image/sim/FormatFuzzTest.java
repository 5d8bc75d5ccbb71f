package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
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
import java.util.stream.Stream;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Damages good images and uses them as {@link DamagedImage} does. Damage is random, with a printed seed
 * ({@code -Dseed=} repeats one, {@code -Dfuzz=} tries more), or comes from Jazzer, which watches the branches taken.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class FormatFuzzTest {
    private static final long SLOW_MILLISECONDS = 20_000;
    private static final int MOST_SECTORS = 256;
    private static final String BASE = FormatModelTest.BASE;
    private static final long[] WORDS = {
        0,
        1,
        2,
        3,
        7,
        8,
        9,
        511,
        512,
        513,
        4096,
        65535,
        65536,
        1 << 20,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        -1,
        -2,
        -512,
        0xffff_ffffL,
        1L << 32,
        1L << 40,
        1L << 62,
        Long.MAX_VALUE,
        Long.MIN_VALUE
    };

    /**
     * Quiet, because the faults of each image are logged thousands of times. Held, because its level would be lost with
     * it.
     */
    private static final Logger QUIET = Logger.getLogger("org.blktap");

    /** The first byte of Jazzer's inputs has the number of a good image and two flags. */
    private static final int GOOD_IMAGES = 8;

    private static final int MEND = 8;
    private static final int READ_ONLY = 16;

    private final Map<Integer, SparseSectors> goodImages = new HashMap<>();
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

    /** Returns an image to damage. */
    protected abstract FormatModelTest.Kind kind(Random random);

    /** Makes the backing image; see {@link FormatModelTest#base}. */
    protected TapSpec base(SimContext context, byte[] contents) throws DiskException {
        context.put(BASE, contents);
        return new TapSpec("aio", BASE);
    }

    /** Corrects checksums, so that the code after their check is tried too. */
    protected void mendChecksums(byte[] bytes) {
        // most formats have no checksums
    }

    @Test
    @Timeout(900)
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
        SimContext context = good(kind(random), random, MOST_SECTORS);
        List<Path> own = own(context);
        Path victim = random.nextInt(4) == 0 ? own.get(random.nextInt(own.size())) : Path.of(image);
        byte[] damaged = damage(context.files.get(victim).bytes(), random);
        if (random.nextInt(4) != 0) {
            mendChecksums(damaged);
        }
        context.put(victim.toString(), damaged);
        return DamagedImage.tried(driver, image, context, random.nextInt(4) == 0, random);
    }

    Stream<byte[]> goodImages() throws DiskException {
        List<byte[]> inputs = new ArrayList<>();
        for (int i = 0; i < GOOD_IMAGES; i++) {
            inputs.add(goodImage(i).into(new byte[] {(byte) (i | MEND)}, 1));
        }
        return inputs.stream();
    }

    @Test
    @Timeout(900)
    void goodImagesOpen() throws DiskException {
        for (byte[] input : goodImages().toList()) {
            assertTrue(tried(input), "good image " + (input[0] & GOOD_IMAGES - 1) + " is refused");
        }
    }

    /** Makes the same images in each run, so that an input keeps its meaning. */
    private SparseSectors goodImage(int number) throws DiskException {
        SparseSectors image = goodImages.get(number);
        if (image == null) {
            Random random = FormatModelTest.random(number);
            SimContext context = good(kind(random), random, 2);
            image = new SparseSectors(context, own(context));
            goodImages.put(number, image);
        }
        return image;
    }

    /**
     * Sectors that Jazzer has come up with, in place of those of a good image: with {@code JAZZER_FUZZ=1}, for
     * {@code JAZZER_MAX_DURATION}, what it finds by watching which branches are taken; without, the good images
     * themselves and the inputs of failures once found, in {@code src/test/resources}.
     *
     * @param input a byte of flags and the number of the good image, then sectors as {@link SparseSectors} has them
     */
    @Timeout(60)
    @MethodSource("goodImages")
    @FuzzTest(maxDuration = "10s")
    void imagesByJazzerHarmNobody(byte[] input) throws DiskException {
        tried(input);
    }

    private boolean tried(byte[] input) throws DiskException {
        QUIET.setLevel(Level.OFF);
        int flags = input.length == 0 ? 0 : input[0];
        int number = flags & GOOD_IMAGES - 1;
        Random random = FormatModelTest.random(number);
        FormatModelTest.Kind kind = kind(random);
        SimContext context = new SimContext(new SimLoop(random), false, kind.options());
        if (kind.baseSize() > 0) {
            base(context, new byte[(int) kind.baseSize()]);
        }
        goodImage(number).replaced(input, 1).forEach((path, bytes) -> {
            if ((flags & MEND) != 0) {
                mendChecksums(bytes);
            }
            context.put(path.toString(), bytes);
        });
        return DamagedImage.tried(driver, image, context, (flags & READ_ONLY) != 0, random);
    }

    /** A good image that has been written to, in requests of up to so many sectors. */
    private SimContext good(FormatModelTest.Kind kind, Random random, int mostSectors) throws DiskException {
        SimContext context = new SimContext(new SimLoop(random), false, kind.options());
        TapSpec backing = null;
        if (kind.baseSize() > 0) {
            byte[] contents = new byte[(int) kind.baseSize()];
            random.nextBytes(contents);
            backing = base(context, contents);
        }
        driver.create(image, kind.size(), backing, context);
        DamagedImage.renew(context);
        VirtualDisk good = driver.open(image, context);
        DamagedImage.use(good, context, random, mostSectors);
        good.close();
        return context;
    }

    /** Returns the files of the image, in order. */
    private static List<Path> own(SimContext context) {
        return context.files.keySet().stream()
                .filter(path -> !path.toString().equals(BASE))
                .sorted()
                .toList();
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
                    // near the existing value
                    int from = place(bytes, random);
                    System.arraycopy(
                            bytes,
                            Math.min(from, bytes.length - 16),
                            bytes,
                            Math.min(at, bytes.length - 16),
                            1 + random.nextInt(16));
                }
                default ->
                    put(
                            bytes,
                            at,
                            (random.nextLong() >>> 1) % (bytes.length * 2L) & -(1L << random.nextInt(17)),
                            random);
            }
        }
        return bytes;
    }

    /**
     * Chooses an offset: mostly in the first or last sectors, where headers are, or in bytes that are not zero, such as
     * tables.
     */
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
