package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class VirtqueueTest {
    private static final int SIZE = 8;
    private final Mapping memory = Mapping.anonymous(4096);
    private final long avail = memory.address() + 1024;
    private final long used = memory.address() + 2048;

    @AfterEach
    void close() {
        memory.close();
    }

    private Virtqueue ring(long features, int at) {
        Virtqueue ring = new Virtqueue(SIZE, features);
        ring.place(memory.address(), avail, used);
        Memory.putShort(used + 2, (short) at);
        Memory.putShort(avail + 2, (short) at);
        ring.start(at);
        return ring;
    }

    private void usedEvent(int value) {
        Memory.putShort(avail + 4 + 2 * SIZE, (short) value);
    }

    @Test
    void sizes() {
        assertEquals(16 * 256, Virtqueue.descriptorBytes(256));
        assertEquals(6 + 2 * 256, Virtqueue.availBytes(256));
        assertEquals(6 + 8 * 256, Virtqueue.usedBytes(256));
    }

    @Test
    void entriesGoRoundAndIndexesWrap() throws Exception {
        Virtqueue ring = ring(0, 0xfffe);
        assertEquals(0, ring.waiting());
        for (int i = 0; i < 4; i++) {
            Memory.putShort(avail + 4 + 2 * ((0xfffe + i) % SIZE), (short) (i + 1));
        }
        Memory.putShort(avail + 2, (short) 2);
        assertEquals(4, ring.waiting());
        for (int i = 0; i < 4; i++) {
            assertEquals(i + 1, ring.take());
            ring.use(i + 1, 100 + i);
        }
        ring.untake(1);
        assertEquals(1, ring.waiting());
        assertEquals(4, ring.take());
        assertEquals(2, ring.lastAvail());
        assertEquals(0xfffe, ring.usedIndex(), "not shown yet");
        assertTrue(ring.publish());
        assertEquals(2, ring.usedIndex());
        assertEquals(1, Memory.getInt(used + 4 + 8 * 6));
        assertEquals(100, Memory.getInt(used + 4 + 8 * 6 + 4));
        assertEquals(3, Memory.getInt(used + 4));
    }

    @Test
    void hostileIndexes() throws Exception {
        Virtqueue ring = ring(0, 5);
        Memory.putShort(avail + 2, (short) (5 + SIZE));
        assertEquals(SIZE, ring.waiting());
        Memory.putShort(avail + 2, (short) (5 + SIZE + 1));
        assertThrows(BrokenRingException.class, ring::waiting);
        Memory.putShort(avail + 2, (short) 4);
        assertThrows(BrokenRingException.class, ring::waiting);
        Memory.putShort(avail + 4 + 2 * 5, (short) SIZE);
        assertThrows(BrokenRingException.class, ring::take);
        Memory.putShort(avail + 4 + 2 * 5, (short) -1);
        assertThrows(BrokenRingException.class, ring::take);
    }

    @Test
    void notificationsByFlags() {
        Virtqueue ring = ring(0, 0);
        ring.use(0, 1);
        assertTrue(ring.publish());
        Memory.putShort(avail, (short) 1);
        ring.use(1, 1);
        assertFalse(ring.publish());
        // left behind by whoever served the ring before
        Memory.putShort(used, (short) 1);
        ring.kicksOn();
        assertEquals(0, Memory.getShort(used));
        ring.kicksOff();
        assertEquals(1, Memory.getShort(used));
    }

    @Test
    void notificationsByIndex() throws Exception {
        Virtqueue ring = ring(VirtioBlk.F_EVENT_IDX, 0xffff);
        usedEvent(100);
        ring.use(0, 1);
        assertTrue(ring.publish(), "the first always");
        usedEvent(2);
        ring.use(0, 1);
        assertFalse(ring.publish(), "index 1, wanted beyond 2");
        ring.use(0, 1);
        assertFalse(ring.publish(), "index 2");
        ring.use(0, 1);
        ring.use(0, 1);
        assertTrue(ring.publish(), "passes 3");
        assertFalse(ring.publish(), "nothing new");
        ring.take();
        ring.kicksOn();
        assertEquals(0, Memory.getShort(used + 4 + 8 * SIZE), "avail_event is the next index");
        ring.kicksOff();
        assertEquals(0, Memory.getShort(used), "flags are not used");
    }
}
