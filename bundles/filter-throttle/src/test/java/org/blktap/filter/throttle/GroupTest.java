package org.blktap.filter.throttle;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.testkit.TimedLoop;
import org.junit.jupiter.api.Test;

/** Disks that share a budget. */
class GroupTest {
    private static final double FAIR = 0.1;

    private final TimedLoop loop = new TimedLoop();
    private final ThrottleFilter filter = new ThrottleFilter();

    private Load member(String key, String value) throws Exception {
        return new Load(filter, loop, Map.of("group", "g", key, value));
    }

    private static void near(double expected, double found, double part) {
        assertTrue(Math.abs(found - expected) <= expected * part, found + ", expected " + expected);
    }

    @Test
    void equalMembersGetEqualParts() throws Exception {
        // whatever their depths: what counts is that they want more than their part
        Load[] all = {
            member("iops", "900").start(1),
            member("iops", "900").start(8),
            member("iops", "900").start(128)
        };
        loop.pass(2, TimeUnit.SECONDS);
        long[] counts = Load.during(loop, 10, all);
        near(9000, Arrays.stream(counts).sum(), 0.03);
        for (long each : counts) {
            near(3000, each, FAIR);
        }
    }

    @Test
    void atLowAndHighRates() throws Exception {
        for (int rate : new int[] {10, 200_000}) {
            Load[] all = new Load[4];
            for (int i = 0; i < all.length; i++) {
                all[i] = member("iops", Integer.toString(rate)).start(1 + 100 * i);
                if (rate > 10) {
                    all[i].start(256);
                }
            }
            loop.pass(4, TimeUnit.SECONDS);
            int seconds = rate == 10 ? 100 : 2;
            long[] counts = Load.during(loop, seconds, all);
            near((double) rate * seconds, Arrays.stream(counts).sum(), 0.04);
            for (long each : counts) {
                near(rate / 4.0 * seconds, each, FAIR);
            }
            for (Load each : all) {
                each.stop();
                each.disk.draining(true);
            }
            loop.pass(2, TimeUnit.MILLISECONDS);
            for (Load each : all) {
                each.disk.close();
            }
        }
    }

    @Test
    void bytesAreSharedWhateverTheRequestsSize() throws Exception {
        Load small = member("bps", "64M").of(Operation.WRITE, 4096).start(64);
        Load large = member("bps", "64M").of(Operation.READ, 1 << 20).start(16);
        loop.pass(2, TimeUnit.SECONDS);
        long[] counts = Load.during(loop, 10, small, large);
        near(320 << 20, counts[0] * 4096.0, FAIR);
        near(320 << 20, counts[1] * 1048576.0, FAIR);
    }

    @Test
    void whatOneDoesNotUseTheOthersGet() throws Exception {
        Load busy = member("iops", "1000").start(64);
        Load idle = member("iops", "1000");
        loop.pass(2, TimeUnit.SECONDS);
        near(10_000, Load.during(loop, 10, busy)[0], 0.05);
        idle.start(64);
        loop.pass(300, TimeUnit.MILLISECONDS);
        long[] counts = Load.during(loop, 10, busy, idle);
        near(5000, counts[0], FAIR);
        near(5000, counts[1], FAIR);
        idle.stop();
        loop.pass(2, TimeUnit.SECONDS);
        near(10_000, Load.during(loop, 10, busy)[0], 0.05);
        busy.stop();
    }

    @Test
    void theLowestLimitIsInForceAndAMembersEndFreesItsPart() throws Exception {
        Load first = member("iops", "1000").start(32);
        Load second = member("iops", "500").start(32);
        assertEquals("iops 500", first.disk.stats().get("limits"));
        assertEquals(2, first.disk.stats().get("members"));
        loop.pass(2, TimeUnit.SECONDS);
        near(5000, Arrays.stream(Load.during(loop, 10, first, second)).sum(), 0.03);
        second.disk.set(new Options(Map.of("iops", "2000", "group", "g")));
        loop.pass(2, TimeUnit.SECONDS);
        near(10_000, Arrays.stream(Load.during(loop, 10, first, second)).sum(), 0.03);
        second.stop();
        second.disk.draining(true);
        loop.pass(2, TimeUnit.MILLISECONDS);
        second.disk.close();
        loop.pass(2, TimeUnit.SECONDS);
        near(10_000, Load.during(loop, 10, first)[0], 0.03);
        assertEquals(1, first.disk.stats().get("members"));
    }

    @Test
    void aMemberMayTakePartInWhatAnotherGives() throws Exception {
        Load gives =
                new Load(filter, loop, Map.of("group", "g", "iops", "100", "iops-burst", "1000", "burst-seconds", "5"));
        Load takes = new Load(filter, loop, Map.of("group", "g"));
        assertEquals("iops 100 (burst 1000)", takes.disk.stats().get("limits"));
        loop.pass(100, TimeUnit.SECONDS);
        gives.start(64);
        takes.start(64);
        long both = Arrays.stream(Load.during(loop, 4, gives, takes)).sum();
        near(4100, both, 0.15);
        loop.pass(4, TimeUnit.SECONDS);
        near(1000, Arrays.stream(Load.during(loop, 10, gives, takes)).sum(), 0.05);
        takes.disk.set(new Options(Map.of("iops", "50")));
        loop.pass(2, TimeUnit.SECONDS);
        near(500, Load.during(loop, 10, takes)[0], 0.05);
        assertEquals(1, gives.disk.stats().get("members"));
    }

    @Test
    void aSumIsDividedMaxMin() {
        double all = Double.POSITIVE_INFINITY;
        assertArrayEquals(new double[] {50, 50}, Group.maxMin(new double[] {all, all}, 100));
        assertArrayEquals(new double[] {45, 10, 45}, Group.maxMin(new double[] {all, 10, all}, 100));
        assertArrayEquals(new double[] {60, 40}, Group.maxMin(new double[] {30, 10}, 100));
        assertArrayEquals(new double[] {20, 40, 40}, Group.maxMin(new double[] {20, 50, 60}, 100));
    }
}
