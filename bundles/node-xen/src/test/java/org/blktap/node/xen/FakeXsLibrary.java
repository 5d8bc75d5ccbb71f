package org.blktap.node.xen;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** libxenstore as far as events and the connection's life go: the test says what happens. */
final class FakeXsLibrary implements XsLibrary {
    private static final String LOST = "\0lost";

    /** Token by path, of the watches that are set. */
    final Map<String, String> watched = new ConcurrentHashMap<>();

    final AtomicInteger closes = new AtomicInteger();
    private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    private final AtomicInteger calls = new AtomicInteger();
    volatile int failWith;
    /** Errno of the commits to come, one each. */
    final java.util.Queue<Integer> commits = new java.util.concurrent.ConcurrentLinkedQueue<>();

    final AtomicInteger aborted = new AtomicInteger();

    void event(String token) {
        events.add(token);
    }

    /** xenstored goes: what waits for an event learns it. */
    void lose() {
        events.add(LOST);
    }

    int calls() {
        return calls.get();
    }

    private void call(String path) throws IOException {
        if (closes.get() > 0) {
            throw new AssertionError("a call after close");
        }
        calls.incrementAndGet();
        if (failWith != 0) {
            throw new XenStoreException("do it", path, failWith);
        }
    }

    @Override
    public byte[] read(int transaction, String path) throws IOException {
        call(path);
        return path.equals("domid") ? new byte[] {'3'} : new byte[0];
    }

    @Override
    public List<String> directory(int transaction, String path) throws IOException {
        call(path);
        return List.of();
    }

    @Override
    public void write(int transaction, String path, byte[] value) throws IOException {
        call(path);
    }

    @Override
    public void remove(int transaction, String path) throws IOException {
        call(path);
    }

    @Override
    public void permissions(int transaction, String path, int owner, int reader) throws IOException {
        call(path);
    }

    @Override
    public int startTransaction() throws IOException {
        call("a transaction");
        return 1;
    }

    @Override
    public void endTransaction(int transaction, boolean abort) throws IOException {
        call("a transaction");
        if (abort) {
            aborted.incrementAndGet();
            return;
        }
        Integer errno = commits.poll();
        if (errno != null) {
            throw new XenStoreException("end", "a transaction", errno);
        }
    }

    @Override
    public void watch(String path, String token) throws IOException {
        call(path);
        watched.put(path, token);
        events.add(token);
    }

    @Override
    public void unwatch(String path, String token) throws IOException {
        call(path);
        watched.remove(path, token);
    }

    @Override
    public String nextEvent() {
        try {
            String token = events.take();
            return token.equals(LOST) ? null : token;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        closes.incrementAndGet();
    }
}
