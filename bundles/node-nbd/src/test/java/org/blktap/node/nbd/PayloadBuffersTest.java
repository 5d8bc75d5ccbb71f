package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.blktap.api.node.Quota;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.Test;

class PayloadBuffersTest {
    private record Piece(PayloadBuffers.Slab slab, long address, int size) {}

    @Test
    void sizesAreThePowerOfTwoAbove() {
        assertEquals(4096, PayloadBuffers.sizeFor(1));
        assertEquals(4096, PayloadBuffers.sizeFor(4096));
        assertEquals(8192, PayloadBuffers.sizeFor(4097));
        assertEquals(32 << 20, PayloadBuffers.sizeFor(32 << 20));
    }

    @Test
    void buffersInUseAreNotForgotten() {
        PayloadBuffers pool = new PayloadBuffers(new NativeMemoryService(), new Quota(0).share(1 << 30, 1 << 30));
        PayloadBuffers.Slab slab = pool.slab(1 << 20);
        long address = slab.take();
        assertThrows(IllegalStateException.class, pool::close);
        slab.give(address);
        pool.close();
        assertEquals(0, pool.mapped());
    }

    /** Buffers never overlap, are aligned, and all memory goes back, whatever the order. */
    @Property(tries = 100)
    void buffersAreApart(@ForAll long seed) {
        Random random = new Random(seed);
        PayloadBuffers pool = new PayloadBuffers(new NativeMemoryService(), new Quota(0).share(1 << 30, 1 << 30));
        List<Piece> taken = new ArrayList<>();
        for (int i = 0; i < 400; i++) {
            if (taken.isEmpty() || random.nextInt(5) < 3 && taken.size() < 100) {
                int bytes = 1 + random.nextInt(1 << 8 + random.nextInt(14));
                PayloadBuffers.Slab slab = pool.slab(bytes);
                long address = slab.take();
                assertEquals(0, address & 4095);
                for (Piece other : taken) {
                    assertTrue(
                            address + PayloadBuffers.sizeFor(bytes) <= other.address
                                    || address >= other.address + other.size,
                            "seed " + seed);
                }
                taken.add(new Piece(slab, address, PayloadBuffers.sizeFor(bytes)));
            } else {
                Piece piece = taken.remove(random.nextInt(taken.size()));
                piece.slab.give(piece.address);
            }
            if (random.nextInt(50) == 0) {
                pool.trim();
            }
        }
        taken.forEach(piece -> piece.slab.give(piece.address));
        pool.close();
        assertEquals(0, pool.mapped());
    }
}
