package org.blktap.api.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Filter;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

class LimitedLogTest {
    private static final int AT_ONCE = 20;
    private static final long EVERY_MILLISECONDS = 60_000;

    private long now = Long.MAX_VALUE - 5;

    @Test
    void saysSomeAtOnceAndThenOneAMinute() {
        List<String> said = new ArrayList<>();
        Logger logger = Logger.getLogger("org.blktap.test");
        Filter before = logger.getFilter();
        logger.setFilter(entry -> {
            said.add(entry.getMessage());
            return false;
        });
        try {
            LimitedLog log =
                    new LimitedLog(System.getLogger("org.blktap.test"), "a", AT_ONCE, EVERY_MILLISECONDS, () -> now);
            for (int i = 0; i < 1000; i++) {
                log.log(Level.WARNING, "line " + i);
            }
            assertEquals(AT_ONCE, said.size());
            assertEquals("a: line 0", said.get(0));
            // the clock may wrap
            now += EVERY_MILLISECONDS * 1_000_000;
            log.log(Level.WARNING, "lat\u001ber");
            log.log(Level.WARNING, "too soon");
            assertEquals(AT_ONCE + 1, said.size());
            assertEquals("a: lat\\x1ber (980 lines before this one were left out)", said.get(AT_ONCE));
            now += 100 * EVERY_MILLISECONDS * 1_000_000;
            for (int i = 0; i < 1000; i++) {
                log.log(Level.WARNING, "again " + i);
            }
            assertEquals(2 * AT_ONCE + 1, said.size());
        } finally {
            logger.setFilter(before);
        }
    }
}
