package org.blktap.api.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class QuotaTest {
    @Test
    void aReserveIsLeftToEachShare() {
        Quota quota = new Quota(150);
        Quota.Share greedy = quota.share(10, 100);
        Quota.Share second = quota.share(10, 100);
        Quota.Share third = quota.share(10, 100);
        assertTrue(greedy.take(100));
        assertFalse(greedy.take(1), "its own limit");
        assertTrue(second.take(70));
        assertFalse(second.take(1), "the common part is empty");
        assertEquals(10, third.left());
        assertTrue(third.take(10));
        assertFalse(third.take(1));
        second.give(65);
        assertEquals(5, second.used());
        assertEquals(60, quota.common());
        assertTrue(third.take(60));
        greedy.give(100);
        second.give(5);
        third.give(70);
        assertEquals(150, quota.common());
    }

    @Test
    void anAmountMayBeOfAnySize() {
        Quota.Share share = new Quota(Long.MAX_VALUE).share(10, 1L << 40);
        assertTrue(share.take(1));
        assertFalse(share.take(Long.MAX_VALUE));
        assertEquals(1, share.used());
    }

    @Test
    void aLimitThatChangesCountsWhatIsTaken() {
        Quota quota = new Quota(10);
        Quota.Share share = quota.share(2, 100);
        assertTrue(share.take(12));
        assertFalse(share.take(1));
        quota.grow(5);
        assertTrue(share.take(5));
        // less than is taken: nothing beyond the reserves until enough has come back
        quota.grow(-13);
        assertFalse(share.take(1));
        assertEquals(0, share.left());
        assertTrue(quota.share(2, 100).take(2));
        share.give(13);
        assertEquals(4, share.used());
        assertEquals(0, share.left());
        share.give(4);
        assertTrue(share.take(4));
        assertFalse(share.take(1));
    }
}
