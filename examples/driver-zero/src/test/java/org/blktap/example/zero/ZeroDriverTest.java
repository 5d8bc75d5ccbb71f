package org.blktap.example.zero;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.SimpleDriver.SimpleDisk;
import org.junit.jupiter.api.Test;

/** A driver is a plain class: its test needs no framework. */
class ZeroDriverTest {
    private static SimpleDisk open(String path) throws Exception {
        return new ZeroDriver().open(path, Options.none(), false);
    }

    @Test
    void readsAsZeros() throws Exception {
        try (SimpleDisk disk = open("1G")) {
            assertEquals(1L << 30, disk.size());
            assertFalse(disk.writable());
            byte[] bytes = new byte[4096];
            Arrays.fill(bytes, (byte) 7);
            ByteBuffer into = ByteBuffer.wrap(bytes);
            disk.read(into.position(512).limit(1024), (1L << 30) - 512);
            assertEquals(0, into.remaining());
            byte[] expected = new byte[4096];
            Arrays.fill(expected, (byte) 7);
            Arrays.fill(expected, 512, 1024, (byte) 0);
            assertArrayEquals(expected, bytes);
        }
    }

    @Test
    void aBadSizeIsToldInOneLine() {
        DiskException e = assertThrows(DiskException.class, () -> open("lots"));
        assertEquals(DiskException.Reason.BAD_OPTION, e.reason());
        assertEquals("tap:zero:lots: expected a size, e.g. tap:zero:1G", e.getMessage());
    }
}
