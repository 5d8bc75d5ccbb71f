package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/** What the bundle relies on, of the simulated store and of a real one alike. */
record XenStoreRules(XenStore store, Settle settle) {
    static final String TOP = "/blktap-test";

    /** Lets watches run until the condition holds, or fails. */
    interface Settle {
        void until(BooleanSupplier condition) throws Exception;
    }

    /** {@link Settle} of a store with threads. */
    static void until(BooleanSupplier condition) throws Exception {
        for (int i = 0; i < 12_000 && !condition.getAsBoolean(); i++) {
            Thread.sleep(10);
        }
        assertTrue(condition.getAsBoolean());
    }

    void all() throws Exception {
        store.remove(TOP);
        try {
            values();
            children();
            removal();
            refusals();
            transactions();
            conflicts();
            watches();
            watchesOfWhatIsRemoved();
            permissions();
        } finally {
            store.remove(TOP);
        }
    }

    private void values() throws IOException {
        assertNull(store.read(TOP + "/a"));
        store.write(TOP + "/a/b/c", "1");
        assertEquals("1", store.read(TOP + "/a/b/c"));
        assertEquals("", store.read(TOP + "/a/b"), "parents are made, and are empty");
        store.write(TOP + "/a/b/c", "größer");
        assertEquals("größer", store.read(TOP + "/a/b/c"));
        store.write(TOP + "/a/b/c", "");
        assertEquals("", store.read(TOP + "/a/b/c"));
        String longest = "x".repeat(2048); // xenstored's default quota of a guest; for domain 0 more
        store.write(TOP + "/a", longest);
        assertEquals(longest, store.read(TOP + "/a"));
        assertEquals("", store.read(TOP + "/a/b"), "children stay");
    }

    private void children() throws IOException {
        assertEquals(List.of(), store.list(TOP + "/none"));
        store.write(TOP + "/leaf", "");
        assertEquals(List.of(), store.list(TOP + "/leaf"));
        for (int i = 0; i < 300; i++) { // as many as oxenstored can list
            store.write(TOP + "/many/child-" + i, "" + i);
        }
        List<String> many = store.list(TOP + "/many");
        assertEquals(300, many.size());
        assertTrue(many.contains("child-0") && many.contains("child-299"));
    }

    private void removal() throws IOException {
        store.write(TOP + "/r/s/t", "");
        store.remove(TOP + "/r");
        assertNull(store.read(TOP + "/r/s/t"));
        assertNull(store.read(TOP + "/r"));
        store.remove(TOP + "/r");
        store.remove(TOP + "/never/was/there");
    }

    private void refusals() {
        for (String bad :
                List.of("", "//", "/a//b", "/a/", "/a b", "/ä", "/a\0b", "/" + "x".repeat(XenStore.PATH_MAX))) {
            assertThrows(IOException.class, () -> store.read(bad), bad);
            assertThrows(IOException.class, () -> store.write(bad, ""), bad);
            assertThrows(IOException.class, () -> store.watch(bad, () -> {}), bad);
        }
        String message = assertThrows(IOException.class, () -> store.write(TOP + "/a", "x".repeat(4097)))
                .getMessage();
        assertTrue(message.contains(TOP + "/a") && message.contains("4097") && message.contains("4096"), message);
        message = assertThrows(IOException.class, () -> store.permissions(TOP + "/absent", 0, 1))
                .getMessage();
        assertTrue(message.contains(TOP + "/absent") && message.contains("ENOENT"), message);
    }

    private void transactions() throws IOException {
        store.transaction(tx -> {
            assertEquals(store.domainId(), tx.domainId());
            tx.write(TOP + "/tx/one", "1");
            tx.write(TOP + "/tx/two", "2");
            assertEquals("1", tx.read(TOP + "/tx/one"));
            assertEquals(2, tx.list(TOP + "/tx").size());
            assertNull(store.read(TOP + "/tx/one"), "not yet to be seen by others");
            tx.permissions(TOP + "/tx/two", 0, 5);
            assertThrows(IllegalStateException.class, () -> tx.transaction(again -> {}));
            assertThrows(IllegalStateException.class, () -> tx.watch(TOP, () -> {}));
        });
        assertEquals("1", store.read(TOP + "/tx/one"));
        assertEquals("2", store.read(TOP + "/tx/two"));
        assertEquals(
                "mine",
                assertThrows(
                                IOException.class,
                                () -> store.transaction(tx -> {
                                    tx.remove(TOP + "/tx/one");
                                    throw new IOException("mine");
                                }))
                        .getMessage());
        assertEquals("1", store.read(TOP + "/tx/one"), "given up as a whole");
    }

    private void conflicts() throws IOException {
        store.write(TOP + "/counter", "10");
        AtomicInteger tries = new AtomicInteger();
        store.transaction(tx -> {
            int seen = Integer.parseInt(tx.read(TOP + "/counter"));
            if (tries.incrementAndGet() <= 2) {
                store.write(TOP + "/counter", "" + (seen + 10));
            }
            tx.write(TOP + "/counter", "" + (seen + 1));
        });
        assertEquals(3, tries.get());
        assertEquals("31", store.read(TOP + "/counter"));
    }

    private void watches() throws Exception {
        store.write(TOP + "/w/old", "");
        AtomicInteger node = new AtomicInteger();
        AtomicInteger below = new AtomicInteger();
        AtomicInteger beside = new AtomicInteger();
        XenStore.Watch ofNode = store.watch(TOP + "/w/node", node::incrementAndGet);
        XenStore.Watch ofParent = store.watch(TOP + "/w", below::incrementAndGet);
        XenStore.Watch ofOther = store.watch(TOP + "/wx", beside::incrementAndGet);
        settle.until(() -> node.get() == 1 && below.get() == 1 && beside.get() == 1); // once when set
        store.write(TOP + "/w/node", "1");
        settle.until(() -> node.get() == 2 && below.get() == 2);
        store.write(TOP + "/w/node/deep/er", "1");
        settle.until(() -> node.get() == 3 && below.get() == 3);
        store.transaction(tx -> tx.write(TOP + "/w/old", "2"));
        settle.until(() -> below.get() == 4);
        store.permissions(TOP + "/w/old", 0, 9);
        settle.until(() -> below.get() == 5);
        assertEquals(3, node.get());
        ofParent.close();
        store.write(TOP + "/w/node", "2");
        settle.until(() -> node.get() == 4);
        assertEquals(5, below.get(), "closed");
        assertEquals(1, beside.get());
        ofNode.close();
        ofOther.close();
    }

    private void watchesOfWhatIsRemoved() throws Exception {
        store.write(TOP + "/x/y/z", "");
        AtomicInteger calls = new AtomicInteger();
        XenStore.Watch watch = store.watch(TOP + "/x/y/z", calls::incrementAndGet);
        settle.until(() -> calls.get() == 1);
        store.remove(TOP + "/x");
        settle.until(() -> calls.get() == 2);
        store.write(TOP + "/x/y/z", "");
        settle.until(() -> calls.get() == 3);
        watch.close();
    }

    private void permissions() throws IOException {
        store.write(TOP + "/p", "1");
        store.permissions(TOP + "/p", 0, 5);
        store.permissions(TOP + "/p", 5, 0);
        store.write(TOP + "/p", "2");
        assertEquals("2", store.read(TOP + "/p"), "domain 0 may always");
    }
}
