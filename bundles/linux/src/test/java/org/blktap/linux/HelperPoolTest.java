package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.linux.HelperPool.Share;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class HelperPoolTest {
    private static final int MOST = 16;
    private static final int COMMON = 64;
    private final HelperPool pool = new HelperPool(MOST, COMMON);
    private final CountDownLatch hang = new CountDownLatch(1);

    @AfterEach
    void stop() {
        hang.countDown();
        pool.shutdown();
    }

    /** A share whose calls never end, more than the whole pool has places for. */
    private void hanging(Share share, int calls) {
        for (int i = 0; i < calls; i++) {
            share.execute(() -> {
                try {
                    hang.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }
    }

    @Test
    void callsThatHangHoldUpNobodyElse() throws Exception {
        for (int i = 0; i < 40; i++) {
            hanging(pool.share(), 100);
        }
        for (int i = 0; i < 20; i++) {
            Share share = pool.share();
            CountDownLatch done = new CountDownLatch(HelperPool.OWN);
            for (int call = 0; call < HelperPool.OWN; call++) {
                // each waits for the other: both have a place at once
                share.execute(() -> {
                    done.countDown();
                    try {
                        done.await();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                });
            }
            assertTrue(done.await(10, TimeUnit.SECONDS), "share " + i);
        }
        assertTrue(pool.running() <= 60 * HelperPool.OWN + COMMON, () -> pool.running() + " threads");
    }

    @Test
    void oneShareHasNoMoreThanItsLimit() throws Exception {
        hanging(pool.share(), 1000);
        Thread.sleep(200);
        assertEquals(MOST, pool.running());
    }

    @Test
    void aHigherLimitCountsFromTheNextCall() throws Exception {
        Share share = pool.share();
        hanging(share, 1000);
        pool.limit(MOST + 3, COMMON);
        hanging(share, 3);
        Thread.sleep(200);
        assertEquals(MOST + 3, pool.running());
    }

    @Test
    void allCallsRunAndThePlacesComeBack() throws Exception {
        for (int round = 0; round < 3; round++) {
            int shares = 30;
            int calls = 300;
            CountDownLatch done = new CountDownLatch(shares * calls);
            AtomicInteger running = new AtomicInteger();
            AtomicInteger most = new AtomicInteger();
            List<Share> all = new ArrayList<>();
            for (int i = 0; i < shares; i++) {
                all.add(pool.share());
            }
            for (int call = 0; call < calls; call++) {
                for (Share share : all) {
                    share.execute(() -> {
                        most.accumulateAndGet(running.incrementAndGet(), Math::max);
                        running.decrementAndGet();
                        done.countDown();
                        throw new RejectedExecutionException("as of a loop that has ended");
                    });
                }
            }
            assertTrue(done.await(30, TimeUnit.SECONDS));
            assertTrue(most.get() <= shares * HelperPool.OWN + COMMON, most::toString);
        }
        callsThatHangHoldUpNobodyElse();
    }

    /** Who waits for the common stock gets it in turn, though others always have more to do. */
    @Test
    void theCommonStockGoesRound() throws Exception {
        int busy = COMMON / (MOST - HelperPool.OWN) + 2;
        ConcurrentLinkedQueue<Share> more = new ConcurrentLinkedQueue<>();
        for (int i = 0; i < busy; i++) {
            Share share = pool.share();
            more.add(share);
            for (int call = 0; call < MOST; call++) {
                share.execute(() -> again(share));
            }
        }
        Share late = pool.share();
        CountDownLatch together = new CountDownLatch(HelperPool.OWN + 1);
        for (int i = 0; i < HelperPool.OWN + 1; i++) {
            late.execute(() -> {
                together.countDown();
                try {
                    together.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }
        assertTrue(together.await(20, TimeUnit.SECONDS), "no place of the common stock");
        hang.countDown();
    }

    private void again(Share share) {
        try {
            Thread.sleep(1);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (hang.getCount() > 0) {
            share.execute(() -> again(share));
        }
    }
}
