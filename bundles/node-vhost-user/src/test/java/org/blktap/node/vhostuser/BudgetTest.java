package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.node.Quota;
import org.junit.jupiter.api.Test;

class BudgetTest {
    @Test
    void limitsChangeForAllAtOnceAndForClientsThatCome() {
        ClientBudget budget = new ClientBudget(2, 6, 4);
        Quota.Share before = budget.share();
        assertTrue(before.take(6));
        budget.limit(1, 9, 3);
        assertEquals(-1, budget.quota().common());
        Quota.Share after = budget.share();
        assertTrue(after.take(1));
        assertFalse(after.take(1));
        // what a client had when it came is given back as it was taken
        before.give(6);
        assertEquals(3, budget.quota().common());
        assertTrue(after.take(3));
        assertFalse(before.take(7));
        assertEquals(9, budget.most());
    }
}
