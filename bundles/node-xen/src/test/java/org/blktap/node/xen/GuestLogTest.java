package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Filter;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

class GuestLogTest {
    private long now = Long.MAX_VALUE - 5;

    @Test
    void saysSomeAtOnceAndThenOneAMinute() {
        List<String> said = new ArrayList<>();
        Logger logger = Logger.getLogger("org.blktap.node.xen");
        Filter before = logger.getFilter();
        logger.setFilter(entry -> {
            said.add(entry.getMessage());
            return false;
        });
        try {
            GuestLog log = new GuestLog("a", () -> now);
            for (int i = 0; i < 1000; i++) {
                log.say(Level.WARNING, "line " + i);
            }
            assertEquals(GuestLog.AT_ONCE, said.size());
            assertEquals("a: line 0", said.get(0));
            // the clock may wrap
            now += GuestLog.EVERY_NANOS;
            log.say(Level.WARNING, "later");
            log.say(Level.WARNING, "too soon");
            assertEquals(GuestLog.AT_ONCE + 1, said.size());
            assertEquals("a: later (980 lines before this one were left out)", said.get(GuestLog.AT_ONCE));
            now += 100 * GuestLog.EVERY_NANOS;
            for (int i = 0; i < 1000; i++) {
                log.say(Level.WARNING, "again " + i);
            }
            assertEquals(2 * GuestLog.AT_ONCE + 1, said.size());
        } finally {
            logger.setFilter(before);
        }
    }
}
