package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(180)
class XenStoreConnectionTest {
    @TempDir
    Path directory;

    private final AtomicInteger opens = new AtomicInteger();
    private final BlockingQueue<FakeXsLibrary> opened = new LinkedBlockingQueue<>();
    private final BlockingQueue<String> news = new LinkedBlockingQueue<>();

    private XenStoreConnection connection(XenStoreConnection.Opener opener) {
        return new XenStoreConnection(
                new XenStorePlaces(List.of(directory.resolve("no"), directory.resolve("socket"))), opener, 10);
    }

    private FakeXsLibrary open() {
        FakeXsLibrary library = new FakeXsLibrary();
        opens.incrementAndGet();
        opened.add(library);
        return library;
    }

    private XenStoreListener listener(String name) {
        return new XenStoreListener() {
            @Override
            public void onConnected(XenStore store) {
                assertNotNull(store);
                news.add(name + " connected on " + Thread.currentThread().getName());
            }

            @Override
            public void onLost() {
                news.add(name + " lost on " + Thread.currentThread().getName());
            }
        };
    }

    /** Listens to reasons only. */
    private XenStoreListener reasons() {
        return new XenStoreListener() {
            @Override
            public void onConnected(XenStore store) {
                news.add("connected");
            }

            @Override
            public void onLost() {
                news.add("lost");
            }

            @Override
            public void onAbsent(String reason) {
                news.add(reason);
            }
        };
    }

    private String next() throws Exception {
        return news.poll(120, TimeUnit.SECONDS);
    }

    private void looks(XenStoreConnection connection, int times) throws Exception {
        for (int i = 0; i < times; i++) {
            Thread.sleep(10);
            connection.execute(() -> news.add("looked"));
            assertEquals("looked", next());
        }
    }

    @Test
    void withoutXenItOnlyLooks() throws Exception {
        try (XenStoreConnection c = connection(this::open)) {
            c.listen(listener("a"));
            looks(c, 10);
            assertEquals(0, opens.get());
            assertNull(news.poll());
        }
    }

    @Test
    void connectsWhenThereIsAStoreAndAgainAfterALoss() throws Exception {
        FakeXsLibrary second;
        XenStoreConnection closed;
        try (XenStoreConnection c = connection(this::open)) {
            c.listen(listener("a"));
            looks(c, 2);
            Files.createFile(directory.resolve("socket"));
            assertEquals("a connected on blktap-xenbus", next());
            XenBus.Registration b = c.listen(listener("b"));
            assertEquals("b connected on blktap-xenbus", next());
            FakeXsLibrary first = opened.take();
            first.lose();
            assertEquals("a lost on blktap-xenbus", next());
            assertEquals("b lost on blktap-xenbus", next());
            b.close();
            assertEquals("a connected on blktap-xenbus", next());
            assertEquals(1, first.closes.get());
            second = opened.take();
            closed = c;
        }
        assertEquals(1, second.closes.get());
        assertNull(news.poll());
        assertThrows(RejectedExecutionException.class, () -> closed.execute(() -> {}));
    }

    @Test
    void whyThereIsNoConnectionIsTold() throws Exception {
        try (XenStoreConnection c = connection(this::open)) {
            c.listen(reasons());
            String none = "there is no XenStore on this machine (none of " + directory.resolve("no") + ", "
                    + directory.resolve("socket") + " exists); Xen guests are served once there is";
            assertEquals(none, next());
            looks(c, 10);
            c.listen(reasons());
            assertEquals(none, next(), "one that comes later learns it too");
            Files.createFile(directory.resolve("socket"));
            assertEquals("connected", next());
            assertEquals("connected", next());
            Files.delete(directory.resolve("socket"));
            opened.take().lose();
            assertEquals("lost", next());
            assertEquals("lost", next());
            assertEquals("the connection to XenStore is lost", next());
            assertEquals("the connection to XenStore is lost", next());
            assertEquals(none, next());
        }
    }

    @Test
    void triesAgainWhatCannotBeOpened() throws Exception {
        Files.createFile(directory.resolve("socket"));
        AtomicInteger tries = new AtomicInteger();
        try (XenStoreConnection c = connection(() -> {
            if (tries.incrementAndGet() < 5) {
                throw new IOException("connection refused");
            }
            return open();
        })) {
            c.listen(listener("a"));
            assertEquals("a connected on blktap-xenbus", next());
            assertEquals(5, tries.get());
        }
    }

    @Test
    void aMissingLibraryIsNotLookedForAgain() throws Exception {
        Files.createFile(directory.resolve("socket"));
        try (XenStoreConnection c = connection(() -> {
            opens.incrementAndGet();
            news.add("asked");
            throw new NativeXsLibrary.LibraryMissingException("libxenstore cannot be used");
        })) {
            assertEquals("asked", next());
            looks(c, 20);
            assertEquals(1, opens.get());
            c.listen(reasons());
            assertEquals(
                    "there is a XenStore (" + directory.resolve("socket") + "), but libxenstore cannot be used",
                    next());
        }
    }

    @Test
    void whatThrowsDoesNotEndTheThread() throws Exception {
        Files.createFile(directory.resolve("socket"));
        try (XenStoreConnection c = connection(this::open)) {
            c.listen(new XenStoreListener() {
                @Override
                public void onConnected(XenStore store) {
                    throw new IllegalStateException("a test's");
                }

                @Override
                public void onLost() {
                    throw new AssertionError("a test's");
                }
            });
            c.listen(listener("b"));
            assertEquals("b connected on blktap-xenbus", next());
            c.execute(() -> {
                throw new AssertionError("a test's");
            });
            looks(c, 1);
        }
    }

    @Test
    void looksWhereLibxenstoreDoes() {
        assertEquals(
                "/var/run/xenstored/socket, /dev/xen/xenbus, /proc/xen/xenbus",
                XenStorePlaces.of(Map.of()).toString());
        assertEquals(
                "/r/socket, /dev/xen/xenbus, /proc/xen/xenbus",
                XenStorePlaces.of(Map.of("XENSTORED_RUNDIR", "/r")).toString());
        assertEquals(
                "/p",
                XenStorePlaces.of(Map.of("XENSTORED_RUNDIR", "/r", "XENSTORED_PATH", "/p"))
                        .toString());
    }
}
