package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.ProcessResources;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class EpollLoopTest {
    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("test");

    @AfterEach
    void close() {
        loop.close();
        loops.stop();
    }

    @Test
    void tasksRunInOrderOnTheLoop() throws Exception {
        List<Integer> seen = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            int n = i;
            loop.execute(() -> seen.add(n));
        }
        assertEquals(1000, loop.call(seen::size));
        assertTrue(loop.call(loop::inLoop));
        assertFalse(loop.inLoop());
        for (int i = 0; i < 1000; i++) {
            assertEquals(i, seen.get(i));
        }
    }

    @Test
    void aFailingTaskHarmsNothing() throws Exception {
        loop.execute(() -> {
            throw new IllegalStateException("meant to fail");
        });
        assertEquals(7, loop.call(() -> 7));
        assertThrows(
                IOException.class,
                () -> loop.call(() -> {
                    throw new IOException("meant to fail");
                }));
    }

    @Test
    void descriptorsWakeTheLoop() throws Exception {
        int fd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        Mapping buffer = Mapping.anonymous(4096);
        buffer.bytes().put(0, (byte) 1);
        CountDownLatch ready = new CountDownLatch(3);
        IoLoop.Watch watch = loop.call(() -> loop.watch(fd, IoLoop.READABLE, events -> {
            Libc.read(fd, buffer.address() + 8, 8);
            ready.countDown();
        }));
        for (int i = 0; i < 3; i++) {
            long left = ready.getCount();
            Libc.write(fd, buffer.address(), 8);
            while (ready.getCount() == left) {
                Thread.sleep(1);
            }
        }
        loop.call(() -> {
            watch.close();
            watch.close();
            return null;
        });
        Libc.close(fd);
        buffer.close();
    }

    @Test
    void stagesAreFlushedAfterTheyArePolledAndEnginesFirst() throws Exception {
        StringBuilder order = new StringBuilder();
        CountDownLatch slept = new CountDownLatch(2);
        loop.call(() -> {
            loop.addNode(new Recorder("n", order, slept));
            loop.addEngine(new Recorder("e", order, slept));
            return null;
        });
        assertTrue(slept.await(1, TimeUnit.MINUTES));
        String seen = loop.call(order::toString);
        assertTrue(seen.startsWith("epnpefepnf"), seen);
    }

    private static final class Recorder implements LoopStage {
        private final String name;
        private final StringBuilder order;
        private final CountDownLatch slept;

        Recorder(String name, StringBuilder order, CountDownLatch slept) {
            this.name = name;
            this.order = order;
            this.slept = slept;
        }

        @Override
        public boolean poll() {
            order.append(name).append('p');
            return false;
        }

        @Override
        public void flush() {
            order.append(name).append('f');
        }

        @Override
        public boolean arm() {
            slept.countDown();
            return false;
        }
    }

    /** A stage that throws from one of its methods at each call. */
    private static final class Throwing implements LoopStage {
        private final String method;
        private final AtomicInteger calls = new AtomicInteger();

        Throwing(String method) {
            this.method = method;
        }

        private boolean called(String name) {
            if (name.equals(method)) {
                calls.incrementAndGet();
                throw new IllegalStateException("meant to fail");
            }
            return name.equals("pollable");
        }

        @Override
        public boolean poll() {
            return called("poll");
        }

        @Override
        public void flush() {
            called("flush");
        }

        @Override
        public boolean arm() {
            return called("arm");
        }

        @Override
        public boolean pollable() {
            return called("pollable");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"poll", "flush", "arm", "pollable"})
    void aStageThatThrowsLeavesTheTurn(String method) throws Exception {
        Throwing stage = new Throwing(method);
        loop.call(() -> {
            loop.addNode(stage);
            return null;
        });
        Eventually.holds("the stage is called", () -> {
            loop.call(() -> null);
            return stage.calls.get() > 0;
        });
        for (int i = 0; i < 10; i++) {
            loop.call(() -> null);
        }
        assertEquals(1, stage.calls.get());
    }

    @Test
    void timersFireOnceUnlessCancelled() throws Exception {
        AtomicInteger fired = new AtomicInteger();
        CountDownLatch last = new CountDownLatch(1);
        loop.call(() -> {
            loop.schedule(fired::incrementAndGet, 5);
            loop.schedule(fired::incrementAndGet, 6).cancel();
            loop.schedule(last::countDown, 20);
            return null;
        });
        assertTrue(last.await(1, TimeUnit.MINUTES));
        assertEquals(1, fired.get());
    }

    @Test
    void blockingCallsReportOnTheLoop() throws Exception {
        CountDownLatch done = new CountDownLatch(2);
        List<Integer> results = new ArrayList<>();
        loop.call(() -> {
            loop.offload(() -> 28, error -> {
                assertTrue(loop.inLoop());
                results.add(error);
                done.countDown();
            });
            loop.offload(
                    () -> {
                        throw new IOException("meant to fail");
                    },
                    error -> {
                        results.add(error);
                        done.countDown();
                    });
            return null;
        });
        assertTrue(done.await(1, TimeUnit.MINUTES));
        assertEquals(33, results.stream().mapToInt(Integer::intValue).sum());
    }

    @Test
    void closeEndsTheThreadAndItsDescriptors() throws Exception {
        long before = ProcessResources.descriptors();
        IoLoop other = loops.start("other");
        other.call(() -> null);
        other.close();
        assertEquals(before, ProcessResources.descriptors());
        assertThrows(RejectedExecutionException.class, () -> other.execute(() -> {}));
    }

    @Test
    void sharedMemoryLivesWithItsHolders() {
        NativeMemoryService memory = new NativeMemoryService();
        var a = memory.shared("x", 8192);
        var b = memory.shared("x", 8000);
        assertEquals(a.address(), b.address());
        assertThrows(IllegalArgumentException.class, () -> memory.shared("x", 9000));
        a.bytes().put(5, (byte) 9);
        a.close();
        a.close();
        assertEquals(9, b.bytes().get(5));
        memory.keep("x", true);
        b.close();
        assertEquals(8192, memory.sharedSize("x"));
        memory.keep("x", false);
        assertEquals(-1, memory.sharedSize("x"));
    }

    /** Four disks on a server that does not answer, each with more calls than there are threads. */
    @Test
    void callsOfOtherLoopsThatHangHoldUpNothing() throws Exception {
        EpollLoops loops = new EpollLoops();
        CountDownLatch silent = new CountDownLatch(1);
        List<IoLoop> stuck = new ArrayList<>();
        try (IoLoop raw = loops.start("raw")) {
            for (int i = 0; i < 4; i++) {
                IoLoop loop = loops.start("nbd" + i);
                stuck.add(loop);
                loop.execute(() -> {
                    for (int call = 0; call < 200; call++) {
                        loop.offload(
                                () -> {
                                    silent.await();
                                    return 0;
                                },
                                error -> {});
                    }
                });
                loop.call(() -> null);
            }
            CompletableFuture<Integer> discard = new CompletableFuture<>();
            raw.execute(() -> raw.offload(() -> 0, discard::complete));
            assertEquals(0, discard.get(5, TimeUnit.SECONDS));
        } finally {
            silent.countDown();
            stuck.forEach(IoLoop::close);
            loops.stop();
        }
    }
}
