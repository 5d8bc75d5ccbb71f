package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class QuotaTest {
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
