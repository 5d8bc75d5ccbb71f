package org.blktap.client.rbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.memory.NativeBuffer;
import org.junit.jupiter.api.Test;

class RbdBuffersTest {
    @Test
    void buffersAreLargeEnoughAndUsedAgain() {
        try (RbdBuffers buffers = new RbdBuffers()) {
            for (long bytes :
                    new long[] {1, 512, 4096, 4097, 65536, 1 << 20, (4 << 20) - 512, 4 << 20, (4 << 20) + 512}) {
                NativeBuffer first = buffers.take(bytes);
                assertTrue(first.size() >= bytes, () -> first.size() + " of " + bytes);
                buffers.giveBack(first);
                if (bytes <= 4 << 20) {
                    NativeBuffer again = buffers.take(bytes);
                    assertEquals(first.address(), again.address());
                    buffers.giveBack(again);
                }
            }
            // more than is kept
            NativeBuffer[] many = new NativeBuffer[8];
            for (int i = 0; i < many.length; i++) {
                many[i] = buffers.take(4 << 20);
            }
            for (NativeBuffer each : many) {
                buffers.giveBack(each);
            }
        }
    }
}
