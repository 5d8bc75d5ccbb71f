package org.blktap.client.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.blktap.api.disk.Operation;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.nbd.Nbd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Exports of any size, by servers that insist on their block sizes: random requests against a copy in memory. */
@Timeout(300)
class BlockSizesTest {
    private static final int ALL =
            Nbd.FLAG_SEND_FLUSH | Nbd.FLAG_SEND_TRIM | Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_CAN_MULTI_CONN;
    private static final int IN_FLIGHT = 8;
    private static final int SECTOR = 512;

    /**
     * Minimum, maximum, size of the export; a size that is no multiple of the minimum leaves a part of a block at the
     * end.
     */
    private static final int[][] SHAPES = {
        {1, 64 << 10, 1_000_001},
        {1, 512, 48 << 10},
        {512, 1000 * 512, 1 << 20},
        {4096, 64 << 10, 2 << 20},
        {4096, 4096, 1 << 20},
        {64 << 10, 64 << 10, 2 << 20},
        {64 << 10, 192 << 10, 1_500_001},
        {2, 131_070, 777_777},
        {1, 32 << 20, 511},
        {1, 1 << 20, 513},
        {4096, 1 << 20, 4095},
    };

    private record Going(NbdTestDisk.Asked asked, Operation operation, int from, int to, byte[] data) {
        boolean touches(int begin, int end) {
            return begin < to && from < end;
        }
    }

    @Test
    void randomRequestsOnExportsOfAllShapes() throws Exception {
        int rounds = Integer.getInteger("rounds", 2);
        for (int round = 0; round < rounds; round++) {
            for (int[] shape : SHAPES) {
                for (int flags : new int[] {ALL, Nbd.FLAG_CAN_MULTI_CONN, ALL & ~Nbd.FLAG_CAN_MULTI_CONN}) {
                    long seed = Long.getLong("seed", System.nanoTime());
                    try {
                        run(shape, flags, seed);
                    } catch (Exception | Error e) {
                        throw new AssertionError(
                                "shape " + Arrays.toString(shape) + ", flags " + flags + "; repeat with -Dseed=" + seed,
                                e);
                    }
                }
            }
        }
    }

    private static void run(int[] shape, int flags, long seed) throws Exception {
        Random random = new Random(seed);
        BlockSizes sizes = BlockSizes.of(shape[0], Math.max(4096, shape[0]), shape[1]);
        try (MemoryServer server = new MemoryServer(shape[2], sizes, flags, random.nextBoolean(), seed);
                NbdTestDisk disk = new NbdTestDisk(server.uri(), false)) {
            int size = (int) disk.disk.info().sizeBytes();
            assertEquals(shape[2] + SECTOR - 1 & -SECTOR, size);
            assertEquals(shape[2], disk.disk.info().contentBytes());
            byte[] model = Arrays.copyOf(server.contents, size);
            List<Going> going = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                int sectors = size / SECTOR;
                int from = random.nextInt(sectors);
                int to = Math.min(sectors, from + 1 + random.nextInt(random.nextBoolean() ? 8 : sectors));
                ask(disk, model, going, random, from * SECTOR, to * SECTOR, shape[2]);
                while (going.size() > random.nextInt(IN_FLIGHT)) {
                    end(going.remove(random.nextInt(going.size())));
                }
            }
            while (!going.isEmpty()) {
                end(going.remove(0));
            }
            byte[] all = new byte[size];
            assertEquals(0, disk.run(Operation.READ, 0, all));
            assertArrayEquals(model, all);
            assertArrayEquals(Arrays.copyOf(model, shape[2]), server.contents);
            assertTrue(server.sins.isEmpty(), () -> "requests that the server does not take: " + server.sins);
        }
    }

    private static void ask(
            NbdTestDisk disk, byte[] model, List<Going> going, Random random, int from, int to, int exportBytes)
            throws Exception {
        if (going.stream().anyMatch(each -> each.touches(from, to))) {
            return;
        }
        Operation operation = new Operation[] {
                    Operation.READ,
                    Operation.WRITE,
                    Operation.WRITE,
                    Operation.WRITE_ZEROES,
                    Operation.DISCARD,
                    Operation.MAP,
                    Operation.FLUSH
                }
                [random.nextInt(7)];
        byte[] data = new byte[to - from];
        switch (operation) {
            case WRITE -> {
                random.nextBytes(data);
                // what is past the end cannot be stored
                Arrays.fill(data, Math.max(0, Math.min(data.length, exportBytes - from)), data.length, (byte) 0);
                System.arraycopy(data, 0, model, from, data.length);
            }
            case WRITE_ZEROES -> Arrays.fill(model, from, to, (byte) 0);
            case READ -> System.arraycopy(model, from, data, 0, data.length);
            default -> {}
        }
        if (operation == Operation.FLUSH) {
            going.add(new Going(disk.ask(operation, 0, 0, null), operation, 0, 0, data));
        } else {
            going.add(new Going(
                    disk.ask(operation, from, to - from, operation == Operation.WRITE ? data : null),
                    operation,
                    from,
                    to,
                    data));
        }
    }

    private static void end(Going going) throws Exception {
        assertEquals(0, going.asked().error.get(), going::toString);
        if (going.operation() == Operation.READ) {
            assertArrayEquals(going.data(), going.asked().data());
        }
        if (going.operation() == Operation.MAP) {
            ExtentList extents = going.asked().extents;
            assertTrue(
                    extents.total() > 0 && extents.total() <= going.to() - going.from(),
                    () -> extents.total() + " of " + going);
        }
        going.asked().free();
    }

    @Test
    void whatTheLastSectorCannotHoldIsAnError() throws Exception {
        try (MemoryServer server = new MemoryServer(1_000_001, BlockSizes.DEFAULT, ALL, false, 1);
                NbdTestDisk disk = new NbdTestDisk(server.uri(), false)) {
            byte[] sector = new byte[SECTOR];
            sector[1_000_001 % SECTOR] = 1;
            assertEquals(Errno.EFBIG, disk.run(Operation.WRITE, 1_000_001 & -SECTOR, sector));
            byte[] two = new byte[2 * SECTOR];
            two[2 * SECTOR - 1] = 1;
            assertEquals(Errno.EFBIG, disk.run(Operation.WRITE, (1_000_001 & -SECTOR) - SECTOR, two));
        }
    }

    @Test
    void sizesThatCannotBeAreRefused() {
        int[][] bad = {
            {0, 4096, 4096},
            {3, 4096, 4096},
            {1 << 17, 1 << 17, 1 << 20},
            {-1, 4096, 4096},
            {512, 256, 4096},
            {512, 768, 4096},
            {4096, 4096, 512},
            {512, 4096, 1000},
            {512, 4096, 0}
        };
        for (int[] each : bad) {
            assertThrows(IOException.class, () -> BlockSizes.of(each[0], each[1], each[2]), Arrays.toString(each));
        }
    }
}
