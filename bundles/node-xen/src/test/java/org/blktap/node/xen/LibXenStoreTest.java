package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.linux.LibXenStore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** libxenstore against a simulated xenstored: Xen's own wants a hypervisor. */
@Timeout(300)
class LibXenStoreTest {
    /** Set by pom.xml, libxenstore takes it from the environment. */
    private static final Path DIRECTORY = Path.of(System.getenv("XENSTORED_RUNDIR"));

    private final BlockingQueue<String> news = new LinkedBlockingQueue<>();
    private final BlockingQueue<XenStore> stores = new LinkedBlockingQueue<>();
    private XenStoreConnection connection;
    private SimXenStore simulated;
    private SimXenstored xenstored;

    @BeforeEach
    void begin() throws Exception {
        assumeTrue(LibXenStore.missing() == null, LibXenStore.missing());
        Files.createDirectories(DIRECTORY);
        Files.deleteIfExists(DIRECTORY.resolve("socket"));
        start();
        connection = new XenStoreConnection(XenStorePlaces.of(System.getenv()), NativeXsLibrary::open, 50);
        connection.listen(new XenStoreListener() {
            @Override
            public void onConnected(XenStore store) {
                news.add("connected");
                stores.add(store);
            }

            @Override
            public void onLost() {
                news.add("lost");
            }
        });
    }

    private void start() throws Exception {
        simulated = new SimXenStore(Runnable::run);
        xenstored = new SimXenstored(simulated, DIRECTORY.resolve("socket"));
    }

    @AfterEach
    void end() throws Exception {
        if (connection != null) {
            connection.close();
        }
        if (xenstored != null) {
            xenstored.close();
        }
    }

    private XenStore connected() throws Exception {
        assertEquals("connected", news.poll(120, TimeUnit.SECONDS));
        return stores.take();
    }

    @Test
    void keepsTheRules() throws Exception {
        XenStore store = connected();
        assertEquals(0, store.domainId());
        new XenStoreRules(store, XenStoreRules::until).all();
        store.write("/p/q", "1");
        store.permissions("/p/q", 3, 7);
        assertEquals("n3,r7", simulated.permissionsOf("/p/q"));
        for (int i = 0; i < 1200; i++) { // more than fits into one message
            simulated.write("/many/child-" + i, "");
        }
        assertEquals(simulated.list("/many"), store.list("/many"));
    }

    @Test
    void servesManyThreads() throws Exception {
        XenStore store = connected();
        List<Throwable> failures = new java.util.concurrent.CopyOnWriteArrayList<>();
        Thread[] threads = new Thread[8];
        for (int t = 0; t < threads.length; t++) {
            String mine = XenStoreRules.TOP + "/thread-" + t;
            threads[t] = new Thread(() -> {
                try {
                    AtomicInteger calls = new AtomicInteger();
                    XenStore.Watch watch = store.watch(mine, calls::incrementAndGet);
                    for (int i = 0; i < 300; i++) {
                        store.write(mine + "/a", "" + i);
                        assertEquals("" + i, store.read(mine + "/a"));
                        String next = "tx" + i;
                        store.transaction(tx -> tx.write(mine + "/b", next));
                    }
                    XenStoreRules.until(() -> calls.get() > 1);
                    watch.close();
                } catch (Throwable e) {
                    failures.add(e);
                }
            });
            threads[t].setName("xenstore-client-" + t);
            threads[t].start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertEquals(List.of(), failures);
    }

    /** While the XenBus thread is busy, what another connection writes piles up neither here nor in libxenstore. */
    @Test
    void aStormWhileTheXenBusThreadIsBusyIsOneMoreLook() throws Exception {
        XenStore store = connected();
        AtomicInteger calls = new AtomicInteger();
        CountDownLatch busy = new CountDownLatch(1);
        XenStore.Watch watch = store.watch(XenStoreRules.TOP, calls::incrementAndGet);
        XenStoreRules.until(() -> calls.get() == 1);
        connection.execute(() -> {
            try {
                busy.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        NativeXenStore other = new NativeXenStore(NativeXsLibrary.open(), connection, s -> {});
        Thread reader = new Thread(other::readEvents);
        reader.setName("xenstore-events");
        reader.start();
        for (int i = 0; i < 20_000; i++) {
            other.write(XenStoreRules.TOP + "/storm", "" + i);
        }
        assertEquals(1, calls.get());
        busy.countDown();
        XenStoreRules.until(() -> calls.get() > 1);
        assertTrue(calls.get() < 1000, calls + " calls");
        watch.close();
        other.close();
        reader.join();
    }

    @Test
    void survivesXenstored() throws Exception {
        XenStore first = connected();
        first.write(XenStoreRules.TOP, "1");
        xenstored.close();
        assertEquals("lost", news.poll(120, TimeUnit.SECONDS));
        assertThrows(IOException.class, () -> first.read(XenStoreRules.TOP));
        start();
        XenStore second = connected();
        assertNull(second.read(XenStoreRules.TOP));
        AtomicInteger calls = new AtomicInteger();
        second.watch(XenStoreRules.TOP, calls::incrementAndGet);
        XenStoreRules.until(() -> calls.get() == 1);
        assertThrows(IOException.class, () -> first.write(XenStoreRules.TOP, ""));
    }

    /** A xenstored that hangs holds up whoever calls it, but not the end of the bundle. */
    @Test
    void endsThoughXenstoredHangs() throws Exception {
        connected();
        xenstored.hang();
        connection.close();
    }
}
