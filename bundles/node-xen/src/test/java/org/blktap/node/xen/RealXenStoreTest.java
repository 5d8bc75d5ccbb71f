package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** libxenstore against Xen's own xenstored, which needs no hypervisor as long as no domain is to be introduced to it. */
@Timeout(300)
class RealXenStoreTest {
    /** Set by pom.xml, for libxenstore and xenstored alike. */
    private static final Path DIRECTORY = Path.of(System.getenv("XENSTORED_RUNDIR"));

    private final BlockingQueue<String> news = new LinkedBlockingQueue<>();
    private final BlockingQueue<XenStore> stores = new LinkedBlockingQueue<>();
    private XenStoreConnection connection;
    private Process xenstored;

    @BeforeEach
    void begin() throws Exception {
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
        Path program = null;
        try (DirectoryStream<Path> versions = Files.newDirectoryStream(Path.of("/usr/lib"), "xen-*")) {
            for (Path version : versions) {
                program = Files.exists(version.resolve("bin/xenstored")) ? version.resolve("bin/xenstored") : program;
            }
        }
        assumeTrue(program != null, "this machine has no xenstored (apt-get install xen-utils-4.17)");
        // in the foreground, no domain 0 of its own, the database in memory
        xenstored = new ProcessBuilder(program.toString(), "--no-fork", "--no-domain-init", "--internal-db")
                .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(new File(DIRECTORY.toFile(), "log"))).start();
        while (!Files.exists(DIRECTORY.resolve("socket"))) {
            assertTrue(xenstored.isAlive(), "xenstored has ended; see " + DIRECTORY.resolve("log"));
            Thread.sleep(10);
        }
    }

    @AfterEach
    void end() throws Exception {
        if (connection != null) {
            connection.close();
        }
        if (xenstored != null) {
            xenstored.destroyForcibly().waitFor();
        }
        Files.deleteIfExists(DIRECTORY.resolve("socket"));
    }

    private XenStore connected() throws Exception {
        assertEquals("connected", news.poll(120, TimeUnit.SECONDS));
        return stores.take();
    }

    private static void until(BooleanSupplier condition) throws Exception {
        for (int i = 0; i < 12_000 && !condition.getAsBoolean(); i++) {
            Thread.sleep(10);
        }
        assertTrue(condition.getAsBoolean());
    }

    @Test
    void keepsTheRules() throws Exception {
        XenStore store = connected();
        assertEquals(0, store.domainId());
        new XenStoreRules(store, RealXenStoreTest::until).all();
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
                    until(() -> calls.get() > 1);
                    watch.close();
                } catch (Throwable e) {
                    failures.add(e);
                }
            });
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
        until(() -> calls.get() == 1);
        connection.execute(() -> {
            try {
                busy.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        NativeXenStore other = new NativeXenStore(NativeXsLibrary.open(), connection, s -> { });
        Thread reader = new Thread(other::readEvents);
        reader.start();
        for (int i = 0; i < 20_000; i++) {
            other.write(XenStoreRules.TOP + "/storm", "" + i);
        }
        assertEquals(1, calls.get());
        busy.countDown();
        until(() -> calls.get() > 1);
        assertTrue(calls.get() < 1000, calls + " calls");
        watch.close();
        other.close();
        reader.join();
    }

    @Test
    void survivesXenstored() throws Exception {
        XenStore first = connected();
        first.write(XenStoreRules.TOP, "1");
        xenstored.destroyForcibly().waitFor();
        assertEquals("lost", news.poll(120, TimeUnit.SECONDS));
        assertThrows(IOException.class, () -> first.read(XenStoreRules.TOP));
        // its socket is still there, and refuses
        Thread.sleep(200);
        assertNull(news.poll());
        Files.delete(DIRECTORY.resolve("socket"));
        start();
        XenStore second = connected();
        assertNull(second.read(XenStoreRules.TOP));
        AtomicInteger calls = new AtomicInteger();
        second.watch(XenStoreRules.TOP, calls::incrementAndGet);
        until(() -> calls.get() == 1);
        assertThrows(IOException.class, () -> first.write(XenStoreRules.TOP, ""));
    }

    /** A xenstored that hangs holds up whoever calls it, but not the end of the bundle. */
    @Test
    void endsThoughXenstoredHangs() throws Exception {
        connected();
        Process stop = new ProcessBuilder("kill", "-STOP", "" + xenstored.pid()).start();
        assertEquals(0, stop.waitFor());
        connection.close();
    }
}
