package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;

class InflightRegionTest {
    private static final int SIZE = 8;

    private static InflightQueue again(Mapping memory) {
        return new InflightQueue(memory.address(), SIZE);
    }

    @Test
    void layoutIsThatOfTheText() throws Exception {
        try (Mapping memory = Mapping.anonymous(4096)) {
            InflightQueue queue = again(memory);
            assertNull(queue.recover(SIZE, 7), "a new region");
            long at = memory.address();
            assertEquals(0, Memory.getLong(at), "features");
            assertEquals(1, Memory.getShort(at + 8), "version");
            assertEquals(SIZE, Memory.getShort(at + 10), "desc_num");
            assertEquals(7, Memory.getShort(at + 14), "used_idx");
            queue.taken(3);
            queue.taken(5);
            assertEquals(1, Memory.getByte(at + 16 + 16 * 3), "inflight");
            assertEquals(0, Memory.getLong(at + 16 + 16 * 3 + 8), "counter");
            assertEquals(1, Memory.getLong(at + 16 + 16 * 5 + 8));
            queue.used(3);
            queue.used(5);
            assertEquals(5, Memory.getShort(at + 12), "last_batch_head");
            assertEquals(3, Memory.getShort(at + 16 + 16 * 5 + 6), "next");
            queue.done(3);
            queue.done(5);
            queue.published(9);
            assertEquals(0, Memory.getByte(at + 16 + 16 * 3));
            assertEquals(9, Memory.getShort(at + 14));
            assertArrayEquals(new int[0], again(memory).recover(SIZE, 9));
        }
    }

    /** A daemon is killed after each step of taking four requests and answering two in one batch. */
    @Test
    void nothingIsLostOrAnsweredTwiceWhereverItIsKilled() throws Exception {
        for (int kill = 0; kill <= 11; kill++) {
            try (Mapping memory = Mapping.anonymous(4096)) {
                InflightQueue queue = again(memory);
                queue.recover(SIZE, 0xffff);
                // the index in the ring
                int[] usedIndex = {0xffff};
                Runnable[] steps = {
                    () -> queue.taken(6),
                    () -> queue.taken(1),
                    () -> queue.taken(4),
                    () -> queue.taken(2),
                    () -> queue.used(4),
                    () -> queue.used(6),
                    () -> usedIndex[0] = 1,
                    () -> queue.done(4),
                    () -> queue.done(6),
                    () -> queue.published(1),
                    () -> queue.taken(4)
                };
                for (int i = 0; i < kill; i++) {
                    steps[i].run();
                }
                int[] taken = {6, 1, 4, 2};
                int[] expected = kill <= 4
                        ? Arrays.copyOf(taken, kill)
                        : kill <= 6 ? taken : kill <= 10 ? new int[] {1, 2} : new int[] {1, 2, 4};
                assertArrayEquals(expected, again(memory).recover(SIZE, usedIndex[0]), "killed after step " + kill);
                assertArrayEquals(expected, again(memory).recover(SIZE, usedIndex[0]), "and once more at once");
            }
        }
    }

    @Test
    void aRegionThatDoesNotFitIsRefused() throws Exception {
        try (Mapping memory = Mapping.anonymous(4096)) {
            assertThrows(BrokenRingException.class, () -> again(memory).recover(SIZE * 2, 0));
            Memory.putShort(memory.address() + 8, (short) 2);
            assertThrows(BrokenRingException.class, () -> again(memory).recover(SIZE, 0));
            Memory.putShort(memory.address() + 8, (short) 1);
            Memory.putShort(memory.address() + 10, (short) 9);
            assertThrows(BrokenRingException.class, () -> again(memory).recover(SIZE, 0));
        }
        for (int[] shape : new int[][] {{0, 8}, {8, 0}, {257, 8}, {1, 1025}}) {
            assertThrows(ProtocolException.class, () -> InflightRegion.make(shape[0], 16, shape[1]));
        }
    }

    @Test
    void theNoteOfWritebackSurvives() throws Exception {
        InflightRegion.Made made = InflightRegion.make(2, 2, 128);
        assertEquals(
                VirtioBlk.QUEUE_MAX, made.region().queueSize(), "firmware may set up a larger queue than QEMU names");
        assertFalse(made.region().writeback(), "not noted is not allowed");
        made.region().writeback(true);
        made.region().close();
        InflightRegion given =
                InflightRegion.given(made.fd(), made.region().size(), 0, 2, 2, 128, TestMemory.LIMITS.memoryShare());
        assertEquals(VirtioBlk.QUEUE_MAX, given.queueSize(), "QEMU gives back the size that it asked for");
        assertTrue(given.writeback());
        given.writeback(false);
        assertFalse(given.writeback());
        given.close();
        // another backend's region has no room for it
        int needed = 2 * ((16 + 16 * 128 + 63) / 64 * 64);
        InflightRegion foreign = InflightRegion.given(made.fd(), needed, 0, 2, 2, 128, TestMemory.LIMITS.memoryShare());
        foreign.writeback(true);
        assertFalse(foreign.writeback());
        assertEquals(2, foreign.queues());
        foreign.close();
        assertThrows(
                ProtocolException.class,
                () -> InflightRegion.given(made.fd(), needed - 1, 0, 2, 2, 128, TestMemory.LIMITS.memoryShare()));
        assertThrows(
                ProtocolException.class,
                () -> InflightRegion.given(made.fd(), needed, 1 << 20, 2, 2, 128, TestMemory.LIMITS.memoryShare()));
        assertThrows(
                ProtocolException.class,
                () -> InflightRegion.given(made.fd(), needed, 8, 2, 2, 120, TestMemory.LIMITS.memoryShare()),
                "not aligned");
        Libc.close(made.fd());
    }

    /** Whatever a client has put into the region, what comes back are different heads of the ring. */
    @Property(tries = 500)
    void hostileContents(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        try (Mapping memory = Mapping.anonymous(4096)) {
            for (int i = 0; i < InflightQueue.bytes(SIZE); i++) {
                Memory.putByte(memory.address() + i, (byte) (random.nextBoolean() ? 1 : random.nextInt()));
            }
            Memory.putShort(memory.address() + 8, (short) 1);
            Memory.putShort(memory.address() + 10, (short) SIZE);
            int[] heads = again(memory).recover(SIZE / 2, random.nextInt(65536));
            assertEquals(heads.length, Arrays.stream(heads).distinct().count());
            assertTrue(Arrays.stream(heads).allMatch(head -> head >= 0 && head < SIZE / 2));
        }
    }
}
