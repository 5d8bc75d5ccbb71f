package org.blktap.client.rbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class LockOwnerTest {
    private static final String ADDRESS = "127.0.0.1:0/1234";

    @Test
    void onlyAnEndedProcessOfThisHostIsDead() throws Exception {
        LockOwner self = LockOwner.self(ADDRESS);
        assertFalse(self.isDead());
        assertEquals(self, LockOwner.parse(self.text()));

        Process ended = new ProcessBuilder("true").start();
        ended.waitFor();
        assertTrue(new LockOwner(ADDRESS, self.host(), ended.pid() + "/77").isDead());
        assertTrue(
                new LockOwner(ADDRESS, self.host(), ProcessHandle.current().pid() + "/1").isDead(),
                "a number used again");
        assertFalse(new LockOwner(ADDRESS, "another/" + self.host(), ended.pid() + "/77").isDead());
    }

    /** Whoever may write to an image may write anything there. */
    @Test
    void whatIsNotUnderstoodIsNotDead() throws Exception {
        LockOwner self = LockOwner.self(ADDRESS);
        assertNull(LockOwner.parse(""));
        assertNull(LockOwner.parse("a b c d"));
        for (String process : new String[] {"x/1", "", "-5/1", "0/0", "99999999999999999999/1", "../1"}) {
            assertFalse(new LockOwner(ADDRESS, self.host(), process).isDead(), process);
        }
    }
}
