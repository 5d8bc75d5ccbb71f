package org.blktap.filter.tee;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.blktap.api.filter.WriteCopies;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.Segments;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.Test;

class WriteCopiesTest {
    private static final int PIECE = WriteCopies.PIECE;

    private final NativeMemoryService memory = new NativeMemoryService();

    @Test
    void copiesStayWhatTheyWereAndRoomComesBack() {
        Random random = new Random(1);
        try (NativeBuffer guest = memory.allocate(8 * PIECE);
                WriteCopies copies = new WriteCopies(memory, 16 * PIECE)) {
            List<Segments> taken = new ArrayList<>();
            List<byte[]> expected = new ArrayList<>();
            for (int round = 0; round < 3000; round++) {
                int length = (1 + random.nextInt(6 * PIECE / 512)) * 512;
                if (length <= copies.room() && random.nextBoolean()) {
                    byte[] bytes = new byte[length];
                    random.nextBytes(bytes);
                    int at = random.nextInt(2 * PIECE);
                    guest.bytes(at, length).put(bytes);
                    Segments data = new Segments(1);
                    data.add(guest.address(), at + length / 2);
                    data.add(guest.address() + at + length / 2, length - length / 2);
                    Segments copy = new Segments(1);
                    assertTrue(copies.take(data, at, length, copy));
                    assertEquals(length, copy.total());
                    guest.bytes(0, 8 * PIECE).put(new byte[8 * PIECE]);
                    taken.add(copy);
                    expected.add(bytes);
                } else if (!taken.isEmpty()) {
                    int which = random.nextInt(taken.size());
                    ByteBuffer found = ByteBuffer.allocate(expected.get(which).length);
                    taken.get(which).copyTo(found, 0);
                    assertEquals(ByteBuffer.wrap(expected.remove(which)), found.flip());
                    copies.give(taken.remove(which));
                }
            }
            taken.forEach(copies::give);
            assertEquals(16L * PIECE, copies.room());
            Segments all = new Segments(1);
            Segments data = new Segments(1);
            data.add(guest.address(), 8 * PIECE);
            assertTrue(copies.take(data, 0, 8L * PIECE, all));
            assertThrows(IllegalArgumentException.class, () -> copies.take(data, 0, 8L * PIECE + 1, new Segments(1)));
        }
    }

    @Test
    void memoryThatIsGoneLeavesNoCopy() {
        try (NativeBuffer guest = memory.allocate(PIECE);
                WriteCopies copies = new WriteCopies(memory, 2 * PIECE)) {
            Segments data = new Segments(1);
            // what a JVM does when a VM has truncated the file behind its memory
            data.foreign(() -> {
                if (!data.faulted()) {
                    throw new InternalError("a fault");
                }
            });
            data.add(guest.address(), PIECE);
            Segments copy = new Segments(1);
            assertFalse(copies.take(data, 0, PIECE, copy));
            assertEquals(0, copy.count());
            assertEquals(2L * PIECE, copies.room());
        }
    }
}
