package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.testkit.Eventually;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** When a loop looks at its descriptors and at the clock: each look may be a system call. */
@Timeout(120)
class EpollLoopTurnTest {
    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("test");

    @AfterEach
    void close() {
        loop.close();
        loops.stop();
    }

    /** Makes a descriptor readable in a turn that is longer than a loop goes without looking at its descriptors. */
    private final class LongTurn implements LoopStage {
        private final StringBuilder order = new StringBuilder();
        private final int fd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        private final Mapping one = Mapping.anonymous(Long.BYTES);
        private boolean asked;
        private boolean hasMore;

        @Override
        public boolean poll() {
            if (asked) {
                asked = false;
                long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(2);
                while (System.nanoTime() < until) {
                    Thread.onSpinWait();
                }
                one.bytes().put(0, (byte) 1);
                Libc.write(fd, one.address(), Long.BYTES);
                order.append('w');
                return true;
            }
            return hasMore;
        }

        @Override
        public void flush() {}

        @Override
        public boolean arm() {
            order.append('a');
            return false;
        }

        /** Returns what followed the long turn, up to the call of the handler. */
        String seen(boolean hasMore) throws Exception {
            CountDownLatch handled = new CountDownLatch(1);
            IoLoop.Watch watch = loop.call(() -> {
                loop.addNode(this);
                return loop.watch(fd, IoLoop.READABLE | IoLoop.EDGE_TRIGGERED, events -> {
                    order.append('h');
                    this.hasMore = false;
                    handled.countDown();
                });
            });
            Eventually.holds("the loop sleeps", () -> loop.busySince() == 0);
            loop.execute(() -> {
                order.setLength(0);
                this.hasMore = hasMore;
                asked = true;
            });
            assertTrue(handled.await(1, TimeUnit.MINUTES));
            String seen = loop.call(order::toString);
            loop.call(() -> {
                watch.close();
                loop.remove(this);
                return null;
            });
            Libc.close(fd);
            one.close();
            return seen;
        }
    }

    /** Each look is a system call, and the sleep is one. */
    @Test
    void aLoopThatIsAboutToSleepDoesNotLookAtItsDescriptorsBefore() throws Exception {
        String seen = new LongTurn().seen(false);
        assertTrue(seen.startsWith("wah"), seen);
    }

    @Test
    void aLoopThatDoesNotSleepLooksAtItsDescriptors() throws Exception {
        String seen = new LongTurn().seen(true);
        assertTrue(seen.startsWith("wh"), seen);
    }

    /** Keeps the loop at work for a time that is counted, by a handler or by what the handler has queued. */
    private final class SlowHandler implements LoopStage {
        private static final long NANOS = 20_000_000;

        private final CountDownLatch done = new CountDownLatch(1);
        private final int fd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        private final Mapping one = Mapping.anonymous(Long.BYTES);
        private final TurnCounters counters = ((EpollLoop) loop).counters();
        private boolean queued;

        /** Returns what was counted from before the event until the loop sleeps again. */
        long counted(boolean inHandler) throws Exception {
            loop.call(() -> {
                loop.addEngine(this);
                return loop.watch(fd, IoLoop.READABLE | IoLoop.EDGE_TRIGGERED, events -> {
                    queued = true;
                    if (inHandler) {
                        work();
                    }
                });
            });
            Eventually.holds("the loop sleeps", () -> loop.busySince() == 0);
            long before = counters.busyNanos();
            one.bytes().put(0, (byte) 1);
            Libc.write(fd, one.address(), Long.BYTES);
            assertTrue(done.await(1, TimeUnit.MINUTES));
            Eventually.holds("the loop sleeps", () -> loop.busySince() == 0);
            return counters.busyNanos() - before;
        }

        private void work() {
            if (queued) {
                queued = false;
                long until = System.nanoTime() + NANOS;
                while (System.nanoTime() < until) {
                    Thread.onSpinWait();
                }
                done.countDown();
            }
        }

        @Override
        public boolean poll() {
            return false;
        }

        @Override
        public void flush() {
            work();
        }

        @Override
        public boolean arm() {
            return false;
        }

        /** After the end of the loop. */
        void free() {
            Libc.close(fd);
            one.close();
        }
    }

    /** Otherwise a loop that is kept from its disks would look idle. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatHandlersDoIsCountedThoughNoStageHasWork(boolean inHandler) throws Exception {
        SlowHandler slow = new SlowHandler();
        long counted = slow.counted(inHandler);
        assertTrue(counted >= SlowHandler.NANOS, counted + " ns");
        assertTrue(slow.counters.longestNanos(System.nanoTime()) >= SlowHandler.NANOS);
        loop.close();
        slow.free();
    }

    /** The stamps of completions, relative to the beginning of the turn. */
    private final class Stamps implements LoopStage {
        private final List<Long> stamps = new ArrayList<>();
        private boolean says;

        @Override
        public boolean poll() {
            long until = loop.nanoTime() + 1000;
            while (System.nanoTime() < until) {
                Thread.onSpinWait();
            }
            if (says) {
                loop.tookTime();
            }
            stamps.add(loop.completionNanoTime() - loop.nanoTime());
            return false;
        }

        @Override
        public void flush() {}

        @Override
        public boolean arm() {
            return false;
        }
    }

    /** What engines find at the beginning had completed by then; all else needs the clock. */
    @Test
    void completionsHaveTheTimeOfTheTurnOnlyWhereThatIsTheirs() throws Exception {
        Stamps engine = new Stamps();
        Stamps node = new Stamps();
        loop.call(() -> {
            loop.addEngine(engine);
            loop.addNode(node);
            return null;
        });
        Eventually.holds("the loop sleeps", () -> loop.busySince() == 0);
        loop.call(() -> {
            engine.stamps.clear();
            node.stamps.clear();
            return null;
        });
        Eventually.holds("turns", () -> loop.call(engine.stamps::size) > 6);
        List<Long> ofEngine = loop.call(() -> List.copyOf(engine.stamps));
        List<Long> ofNode = loop.call(() -> List.copyOf(node.stamps));
        // the engine is asked twice in each turn; in a turn with a task both are late
        assertTrue(ofEngine.contains(0L) && ofEngine.stream().anyMatch(each -> each >= 1000), ofEngine::toString);
        assertTrue(ofNode.stream().allMatch(each -> each >= 1000), ofNode::toString);
    }

    /** What has been decrypted, say, has not completed before. */
    @Test
    void completionsAfterWorkHaveTheTimeOfTheClock() throws Exception {
        Stamps first = new Stamps();
        Stamps second = new Stamps();
        loop.call(() -> {
            first.says = true;
            loop.addEngine(first);
            loop.addEngine(second);
            return null;
        });
        Eventually.holds("turns", () -> loop.call(second.stamps::size) > 6);
        List<Long> all = loop.call(() -> {
            first.stamps.addAll(second.stamps);
            return List.copyOf(first.stamps);
        });
        assertTrue(all.stream().allMatch(each -> each >= 1000), all::toString);
    }
}
