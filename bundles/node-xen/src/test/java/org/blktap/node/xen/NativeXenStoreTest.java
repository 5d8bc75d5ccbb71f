package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Events, and the life of a connection; what is asked of xenstored is tried on the real one. */
@Timeout(120)
class NativeXenStoreTest {
    private final SimXenBus bus = new SimXenBus();
    private final FakeXsLibrary library = new FakeXsLibrary();
    private final AtomicInteger lost = new AtomicInteger();
    private NativeXenStore store;

    @BeforeEach
    void open() throws Exception {
        store = new NativeXenStore(library, bus, s -> lost.incrementAndGet());
    }

    /** Reads all events that have been sent, on this thread, as if the connection ended after them. */
    private void readToTheEnd() {
        library.lose();
        store.readEvents();
    }

    private Thread reader() {
        Thread reader = new Thread(store::readEvents);
        reader.setName("xenstore-events");
        reader.start();
        return reader;
    }

    /** XSA-349: what a guest does in a loop must not fill our memory while the XenBus thread is busy. */
    @Test
    void aStormOfEventsQueuesOneTaskForEachWatch() throws Exception {
        AtomicInteger calls = new AtomicInteger();
        for (int i = 0; i < 3; i++) {
            store.watch("/w/" + i, calls::incrementAndGet);
        }
        Thread reader = reader();
        for (int i = 0; i < 1_000_000; i++) {
            library.event(library.watched.get("/w/" + i % 3));
            if (i % 1000 == 0) {
                assertTrue(bus.pending() <= 3, bus.pending() + " tasks");
            }
        }
        library.lose();
        reader.join();
        assertEquals(3, bus.pending());
    }

    @Test
    void changesWhileAListenerLooksAreLookedAtAgain() throws Exception {
        AtomicInteger calls = new AtomicInteger();
        store.watch("/w", () -> {
            if (calls.incrementAndGet() == 1) {
                library.event(library.watched.get("/w"));
                while (bus.pending() == 0) {
                    Thread.onSpinWait(); // until the reader has seen it
                }
            }
        });
        Thread reader = reader();
        while (calls.get() < 2) {
            bus.runOne();
        }
        library.lose();
        reader.join();
        assertEquals(0, bus.pending());
    }

    @Test
    void closedWatchesAreNotCalledEvenWhenQueued() throws Exception {
        AtomicInteger calls = new AtomicInteger();
        XenStore.Watch watch = store.watch("/w", calls::incrementAndGet);
        String token = library.watched.get("/w");
        Thread reader = reader();
        while (bus.pending() == 0) {
            Thread.onSpinWait();
        }
        watch.close();
        watch.close();
        assertFalse(library.watched.containsKey("/w"));
        bus.runAll();
        library.event(token);
        library.lose();
        reader.join();
        bus.runAll();
        assertEquals(0, calls.get());
    }

    @Test
    void strangeTokensAreIgnored() {
        library.event("");
        library.event("w99");
        library.event("/w");
        readToTheEnd();
        assertEquals(0, bus.pending());
    }

    @Test
    void aLostConnectionIsToldOnceAndFailsCalls() throws Exception {
        AtomicInteger calls = new AtomicInteger();
        XenStore.Watch watch = store.watch("/w", calls::incrementAndGet);
        readToTheEnd();
        assertEquals(1, lost.get());
        assertEquals(1, library.closes.get());
        bus.runAll();
        assertEquals(0, calls.get(), "nothing can be read any more");
        String message =
                assertThrows(IOException.class, () -> store.read("/a/b")).getMessage();
        assertTrue(message.contains("/a/b") && message.contains("lost"), message);
        assertThrows(IOException.class, () -> store.transaction(tx -> tx.write("/a", "")));
        watch.close();
        store.close();
        assertEquals(1, lost.get());
    }

    @Test
    void aCallFindsOutThatTheConnectionIsLost() throws Exception {
        library.failWith = Errno.EBADF;
        assertThrows(IOException.class, () -> store.read("/a"));
        assertEquals(1, lost.get());
        int calls = library.calls();
        assertThrows(IOException.class, () -> store.read("/a"));
        assertEquals(calls, library.calls(), "not asked again");
    }

    @Test
    void closeEndsTheReaderWithoutALoss() throws Exception {
        Thread reader = reader();
        store.close();
        reader.join();
        assertEquals(0, lost.get());
        assertEquals(1, library.closes.get());
        assertThrows(IOException.class, () -> store.list("/"));
    }

    @Test
    void refusedWatchesLeaveNothing() throws Exception {
        library.failWith = Errno.ENOSPC;
        String message = assertThrows(IOException.class, () -> store.watch("/w", () -> {}))
                .getMessage();
        assertTrue(message.contains("/w") && message.contains("ENOSPC"), message);
        library.failWith = 0;
        library.event("w1");
        readToTheEnd();
        assertEquals(0, bus.pending());
    }

    @Test
    void transactionsAreTriedAgainWhileTheyConflictOnly() throws Exception {
        AtomicInteger tries = new AtomicInteger();
        library.commits.add(Errno.EAGAIN);
        library.commits.add(Errno.EAGAIN);
        store.transaction(tx -> tries.incrementAndGet());
        assertEquals(3, tries.get());
        library.commits.add(Errno.ENOSPC);
        assertThrows(IOException.class, () -> store.transaction(tx -> tries.incrementAndGet()));
        assertEquals(4, tries.get());
        for (int i = 0; i < 1000; i++) {
            library.commits.add(Errno.EAGAIN);
        }
        assertTrue(assertThrows(IOException.class, () -> store.transaction(tx -> tries.incrementAndGet()))
                .getMessage()
                .contains("EAGAIN"));
        assertTrue(tries.get() < 1000, "for ever");
        assertEquals(0, library.aborted.get());
        assertThrows(
                IllegalStateException.class,
                () -> store.transaction(tx -> {
                    throw new IllegalStateException();
                }));
        assertEquals(1, library.aborted.get());
    }

    @Test
    void knowsItsDomain() throws Exception {
        assertEquals(3, store.domainId());
        library.failWith = Errno.ENOENT;
        assertEquals(0, store.domainId());
        library.failWith = Errno.EACCES;
        assertThrows(IOException.class, store::domainId);
    }
}
