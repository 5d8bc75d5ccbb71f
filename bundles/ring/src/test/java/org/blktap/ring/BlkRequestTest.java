package org.blktap.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;
import org.blktap.ring.sim.FrontRing;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BlkRequestTest {
    private static final long LAST_SECTOR = Long.MAX_VALUE / 512;

    private final Mapping memory = Mapping.anonymous(4 * 4096);
    private final long copy = memory.address() + 4096;
    private final long segments = memory.address() + 2 * 4096;
    private final BlkRequest request = new BlkRequest();
    private FrontRing front;
    private BackRing ring;
    private Abi abi;

    @BeforeEach
    void wide() {
        use(Abi.X86_64);
    }

    private void use(Abi layout) {
        abi = layout;
        front = new FrontRing(memory.address(), 1, layout);
        front.initialize();
        ring = new BackRing(memory.address(), 1, layout);
    }

    @AfterEach
    void close() {
        memory.close();
    }

    /** Takes what was written last. */
    private BlkRequest decode() throws RingException {
        front.push();
        while (ring.waiting() > 0) {
            ring.take(copy);
            ring.respond(0, 0, 0);
        }
        ring.push();
        while (front.next()) {
            front.id();
        }
        request.decode(copy, abi);
        return request;
    }

    private void wellFormed(long bytes) throws RingException {
        decode();
        assertNull(request.problem());
        assertTrue(request.wellFormed());
        assertEquals(0, request.status());
        assertEquals(bytes, request.bytes());
    }

    private void malformed(int status, String... words) throws RingException {
        decode();
        refused(status, words);
    }

    private void refused(int status, String... words) {
        assertFalse(request.wellFormed());
        assertEquals(status, request.status());
        for (String word : words) {
            assertTrue(request.problem().contains(word), request.problem());
            assertTrue(request.toString().contains(word), request.toString());
        }
        assertEquals(0, request.bytes());
    }

    private void fullSegments(int count) {
        for (int i = 0; i < Math.min(count, 11); i++) {
            front.segment(100 + i, 0, 7);
        }
        front.segmentCount(count);
    }

    @ParameterizedTest
    @EnumSource
    void readsAndWrites(Abi layout) throws Exception {
        use(layout);
        for (int operation : new int[] {0, 1, 2, 3}) {
            front.request(operation, 0xfedcba9876543210L, 0x123456789abL);
            int bytes = 0;
            for (int i = 0; i < 11; i++) {
                front.segment(0x80000000 + i, i % 8, 7);
                bytes += 512 * (8 - i % 8);
            }
            wellFormed(bytes);
            assertEquals(operation, request.operation());
            assertEquals(operation, request.answeredOperation());
            assertEquals(0xfedcba9876543210L, request.id());
            assertEquals(0x123456789abL, request.sector());
            assertEquals(11, request.segmentCount());
            for (int i = 0; i < 11; i++) {
                assertEquals(0x80000000 + i, request.gref(i));
                assertEquals(i % 8, request.firstSector(i));
                assertEquals(7, request.lastSector(i));
            }
            assertThrows(IndexOutOfBoundsException.class, () -> request.gref(11));
            assertThrows(IndexOutOfBoundsException.class, () -> request.lastSector(-1));
            assertThrows(IllegalStateException.class, () -> request.indirectSegments(segments));
        }
    }

    @ParameterizedTest
    @EnumSource
    void discards(Abi layout) throws Exception {
        use(layout);
        front.discard(7, 9, 1L << 33, 0);
        wellFormed(1L << 42);
        assertEquals(Blkif.DISCARD, request.operation());
        assertEquals(7, request.id());
        assertEquals(9, request.sector());
        assertEquals(1L << 33, request.discardSectors());
        assertEquals(0, request.segmentCount());
        assertThrows(IndexOutOfBoundsException.class, () -> request.gref(0));
        front.discard(7, 0, LAST_SECTOR, 0);
        wellFormed(LAST_SECTOR * 512);
        front.discard(7, 9, 0, 0);
        malformed(Blkif.ERROR, "0 sectors");
        front.discard(7, 0, LAST_SECTOR + 1, 0);
        malformed(Blkif.ERROR, "sectors");
        front.discard(7, 0, -1, 0);
        malformed(Blkif.ERROR, "18446744073709551615");
        front.discard(7, 1, LAST_SECTOR, 0);
        malformed(Blkif.ERROR, "sector 1");
        front.discard(7, -1, 1, 0);
        malformed(Blkif.ERROR, "sector 18446744073709551615");
        front.discard(7, 9, 1, 1);
        malformed(Blkif.EOPNOTSUPP, "secure");
        assertEquals(1, request.discardFlags());
        front.discard(7, 9, 0, 3);
        malformed(Blkif.EOPNOTSUPP, "secure");
    }

    @ParameterizedTest
    @EnumSource
    void indirect(Abi layout) throws Exception {
        use(layout);
        for (int operation : new int[] {0, 1}) {
            front.indirect(operation, 55, 77, 256, 11, 12, 13, 14, 15, 16, 17, -18);
            wellFormed(0);
            assertEquals(Blkif.INDIRECT, request.operation());
            assertEquals(operation, request.indirectOperation());
            assertEquals(operation, request.answeredOperation());
            assertEquals(55, request.id());
            assertEquals(77, request.sector());
            assertEquals(256, request.segmentCount());
            assertEquals(1, request.indirectPages());
            assertEquals(11, request.indirectGref(0));
            assertEquals(-18, request.indirectGref(7));
            assertThrows(IndexOutOfBoundsException.class, () -> request.indirectGref(8));
            assertThrows(IndexOutOfBoundsException.class, () -> request.gref(0), "not known yet");
            for (int i = 0; i < 256; i++) {
                FrontRing.segment(segments + 8L * i, 1000 + i, i % 3, 3 + i % 5);
            }
            request.indirectSegments(segments);
            int sectors = 0;
            for (int i = 0; i < 256; i++) {
                assertEquals(1000 + i, request.gref(i));
                assertEquals(i % 3, request.firstSector(i));
                assertEquals(3 + i % 5, request.lastSector(i));
                sectors += 4 + i % 5 - i % 3;
            }
            assertEquals(512L * sectors, request.bytes());
            assertNull(request.problem());
            assertThrows(IndexOutOfBoundsException.class, () -> request.gref(256));
        }
    }

    @ParameterizedTest
    @EnumSource
    void malformedIndirect(Abi layout) throws Exception {
        use(layout);
        for (int count : new int[] {0, 257, 4096, 65535}) {
            front.indirect(0, 1, 0, count, 5);
            malformed(Blkif.ERROR, count + " indirect segments", "256");
            assertThrows(IllegalStateException.class, () -> request.indirectSegments(segments));
        }
        for (int operation : new int[] {2, 3, 4, 5, 6, 255}) {
            front.indirect(operation, 1, 0, 1, 5);
            malformed(Blkif.ERROR, "indirect operation " + operation);
            assertThrows(IllegalStateException.class, () -> request.indirectSegments(segments));
        }
        for (int[] bad : new int[][] {{3, 2}, {0, 8}, {8, 8}, {255, 255}, {0, 255}, {7, 0}}) {
            front.indirect(1, 1, 0, 200, 5);
            decode();
            for (int i = 0; i < 200; i++) {
                FrontRing.segment(segments + 8L * i, i, 0, 7);
            }
            FrontRing.segment(segments + 8L * 199, 1, bad[0], bad[1]);
            request.indirectSegments(segments);
            refused(Blkif.ERROR, "segment 199", " " + bad[0] + " ", " " + bad[1] + " ");
        }
        front.indirect(1, 1, LAST_SECTOR - 15, 2, 5);
        decode();
        FrontRing.segment(segments, 1, 0, 7);
        FrontRing.segment(segments + 8, 1, 0, 7);
        request.indirectSegments(segments);
        refused(Blkif.ERROR, "sector " + (LAST_SECTOR - 15));
    }

    @ParameterizedTest
    @EnumSource
    void segmentCounts(Abi layout) throws Exception {
        use(layout);
        for (int operation = 0; operation <= 3; operation++) {
            front.request(operation, 1, -1);
            if (operation < 2) {
                malformed(Blkif.ERROR, "0 segments", "1 to 11");
            } else {
                // an empty flush; Linux gives it any sector
                wellFormed(0);
                assertEquals(0, request.segmentCount());
            }
            for (int count : new int[] {12, 13, 127, 128, 255}) {
                front.request(operation, 1, 0);
                fullSegments(count);
                malformed(Blkif.ERROR, count + " segments");
                assertEquals(count, request.segmentCount());
                assertThrows(IndexOutOfBoundsException.class, () -> request.gref(0));
            }
        }
    }

    @Test
    void segmentsOutsideTheirPage() throws Exception {
        for (int[] bad : new int[][] {{3, 2}, {0, 8}, {8, 8}, {255, 255}, {0, 255}, {7, 0}, {200, 100}}) {
            for (int at = 0; at < 11; at++) {
                front.request(1, 1, 0);
                for (int i = 0; i < 11; i++) {
                    front.segment(i, i == at ? bad[0] : 0, i == at ? bad[1] : 7);
                }
                malformed(Blkif.ERROR, "segment " + at, " " + bad[0] + " ", " " + bad[1] + " ");
            }
        }
    }

    @Test
    void sectorsBeyondAllBytes() throws Exception {
        front.request(0, 1, LAST_SECTOR - 8);
        fullSegments(1);
        wellFormed(4096);
        for (long sector :
                new long[] {LAST_SECTOR - 7, LAST_SECTOR, LAST_SECTOR + 1, Long.MAX_VALUE, Long.MIN_VALUE, -1, -8}) {
            front.request(0, 1, sector);
            fullSegments(1);
            malformed(Blkif.ERROR, "sector " + Long.toUnsignedString(sector));
        }
    }

    @Test
    void operationsThatThereAreNot() throws Exception {
        for (int operation : new int[] {4, 7, 8, 127, 128, 255}) {
            front.request(operation, 99, 0);
            fullSegments(1);
            malformed(Blkif.EOPNOTSUPP, "operation " + operation);
            assertEquals(operation, request.answeredOperation());
            assertEquals(99, request.id());
        }
    }

    /** What one request was does not show in the next. */
    @Test
    void reused() throws Exception {
        front.request(77, 1, -5);
        malformed(Blkif.EOPNOTSUPP);
        front.request(1, 2, 3);
        fullSegments(2);
        wellFormed(8192);
        front.discard(1, 0, 8, 0);
        wellFormed(4096);
        assertEquals(0, request.segmentCount());
        assertThrows(IndexOutOfBoundsException.class, () -> request.gref(0));
        // the copy is private, but that it changes must lead nowhere
        front.request(1, 2, 3);
        fullSegments(11);
        wellFormed(11 * 4096);
        Memory.putByte(copy + 1, (byte) 255);
        assertThrows(IndexOutOfBoundsException.class, () -> request.gref(11));
    }
}
