package org.blktap.filter.throttle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.testkit.TimedLoop;
import org.junit.jupiter.api.Test;

/** Rates, bursts, and what waits, with a loop whose time passes as the test says. */
class ThrottleTest {
    private final TimedLoop loop = new TimedLoop();
    private final ThrottleFilter filter = new ThrottleFilter();

    private Load load(String... options) throws DiskException {
        Map<String, String> all = new java.util.LinkedHashMap<>();
        for (String each : options) {
            all.put(each.substring(0, each.indexOf('=')), each.substring(each.indexOf('=') + 1));
        }
        return new Load(filter, loop, all);
    }

    private static void near(double expected, double found, double part) {
        assertTrue(Math.abs(found - expected) <= expected * part, found + ", expected " + expected);
    }

    @Test
    void operationsAndBytesASecond() throws Exception {
        for (String limit : List.of("iops=500", "iops-read=500", "bps=2000K", "bps-read=2000K")) {
            Load reads = load(limit).start(32);
            loop.pass(1, TimeUnit.SECONDS);
            near(5000, Load.during(loop, 10, reads)[0], 0.01);
            reads.stop();
        }
        for (String limit : List.of("iops-write=500", "bps-write=2000K")) {
            Load writes = load(limit).of(Operation.WRITE, 4096).start(32);
            loop.pass(1, TimeUnit.SECONDS);
            near(5000, Load.during(loop, 10, writes)[0], 0.01);
            writes.stop();
            Load reads = load(limit).start(32);
            near(320_000, Load.during(loop, 10, reads)[0], 0.01);
            reads.stop();
        }
    }

    @Test
    void slowAndFastRatesAreExact() throws Exception {
        Load slow = load("iops=1").start(4);
        loop.pass(1, TimeUnit.SECONDS);
        near(60, Load.during(loop, 60, slow)[0], 0.02);
        slow.stop();
        Load fast = load("iops=50000").start(256);
        loop.pass(1, TimeUnit.SECONDS);
        near(250_000, Load.during(loop, 5, fast)[0], 0.01);
        fast.stop();
        // each request is larger than what the bucket holds
        Load large = load("bps=1M").of(Operation.READ, 4 << 20).start(2);
        loop.pass(10, TimeUnit.SECONDS);
        near(25, Load.during(loop, 100, large)[0], 0.05);
    }

    @Test
    void aBurstHasItsRateAndItsLength() throws Exception {
        Load load = load("iops=100", "iops-burst=1000", "burst-seconds=5").start(64);
        near(4 * 1000 + 100, Load.during(loop, 4, load)[0], 0.02);
        loop.pass(3, TimeUnit.SECONDS);
        near(1000, Load.during(loop, 10, load)[0], 0.02);
        load.stop();
        // the tokens of 45 idle seconds are those of one burst
        loop.pass(200, TimeUnit.SECONDS);
        load.start(64);
        near(4 * 1000 + 100, Load.during(loop, 4, load)[0], 0.02);
        load.stop();
    }

    @Test
    void aLargeRequestIsSeveralOperations() throws Exception {
        Load load =
                load("iops=100", "iops-size=64K").of(Operation.READ, 1 << 20).start(8);
        loop.pass(1, TimeUnit.SECONDS);
        near(100 / 16.0 * 20, Load.during(loop, 20, load)[0], 0.02);
        load.stop();
        Load small = load("iops=100", "iops-size=64K").start(8);
        loop.pass(1, TimeUnit.SECONDS);
        near(1000, Load.during(loop, 10, small)[0], 0.02);
    }

    @Test
    void readsDoNotWaitForWrites() throws Exception {
        Load load = load("iops-write=1").of(Operation.WRITE, 4096).start(16);
        loop.pass(5, TimeUnit.SECONDS);
        load.of(Operation.READ, 4096);
        load.below.clear();
        load.submit();
        assertEquals(List.of(Operation.READ), load.below);
    }

    @Test
    void bothKindsShareATotalAndTakeTurns() throws Exception {
        Load load = load("iops=200").of(Operation.WRITE, 4096).start(64);
        loop.pass(1, TimeUnit.SECONDS);
        load.of(Operation.READ, 4096);
        for (int i = 0; i < 8; i++) {
            load.submit();
        }
        load.of(Operation.WRITE, 4096);
        load.below.clear();
        loop.pass(100, TimeUnit.MILLISECONDS);
        assertEquals(8, load.below.stream().filter(Operation.READ::equals).count());
        loop.pass(10, TimeUnit.SECONDS);
        near(2020, load.below.size(), 0.02);
    }

    @Test
    void flushesMapsAndDiscardedBytesCostNothing() throws Exception {
        Load load = load("iops=1", "bps=4K").start(4);
        loop.pass(100, TimeUnit.MILLISECONDS);
        load.below.clear();
        load.of(Operation.FLUSH, 0).submit();
        load.of(Operation.MAP, 0).submit();
        load.of(Operation.WRITE_ZEROES, 0).submit();
        assertEquals(List.of(Operation.FLUSH, Operation.MAP, Operation.WRITE_ZEROES), load.below);
        Load discards = load("bps=4K").of(Operation.DISCARD, 1 << 30).start(4);
        near(4000, Load.during(loop, 1, discards)[0], 0.01);
        discards.stop();
    }

    @Test
    void whatWaitsPassesWhenTheDiskIsDrained() throws Exception {
        Load load = load("bps=1M", "iops-read=1000").of(Operation.READ, 1 << 20).start(100);
        loop.pass(1500, TimeUnit.MILLISECONDS);
        Map<String, ?> stats = load.disk.stats();
        assertEquals("iops-read 1000, bps 1M", stats.get("limits"));
        assertEquals("bps", stats.get("waiting for"));
        assertTrue((int) stats.get("waiting") > 90, stats.toString());
        load.stop();
        long before = load.completed;
        load.disk.draining(true);
        load.submit();
        assertEquals(0, load.disk.stats().get("waiting"));
        loop.pass(2, TimeUnit.MILLISECONDS);
        assertEquals(0, loop.timers());
        assertTrue(load.completed - before > 90);
        load.disk.draining(false);
        load.submit();
        assertEquals(1, load.disk.stats().get("waiting"), "what has passed is charged");
        load.disk.close();
        assertEquals(0, loop.timers());
    }

    @Test
    void limitsChangeWhileRequestsWait() throws Exception {
        Load load = load("iops=1").start(32);
        loop.pass(2, TimeUnit.SECONDS);
        assertTrue(load.disk.set(new Options(Map.of("iops", "1000"))));
        near(10_000, Load.during(loop, 10, load)[0], 0.02);
        assertTrue(load.disk.set(new Options(Map.of("bps", "4M", "group", "g"))));
        near(10_240, Load.during(loop, 10, load)[0], 0.05);
        assertThrows(DiskException.class, () -> load.disk.set(new Options(Map.of("iops", "-1"))));
        near(10_240, Load.during(loop, 10, load)[0], 0.02);
        load.stop();
        load.disk.set(Options.none());
        assertEquals("none", load.disk.stats().get("limits"));
        assertEquals(0, load.disk.stats().get("waiting"));
    }

    @Test
    void badOptionsAreRefused() {
        for (String wrong : List.of(
                "iops=x",
                "iops=-1",
                "bps=1X",
                "iops-burst=5",
                "burst-seconds=0",
                "group=a b",
                "iops-size=-1",
                "bps=9000T")) {
            DiskException e = assertThrows(DiskException.class, () -> load(wrong), wrong);
            assertTrue(e.getMessage().startsWith("bad option " + wrong.replaceAll("=.*", "=")), e.getMessage());
        }
        assertThrows(DiskException.class, () -> load("iops=100", "iops-burst=50"));
    }
}
