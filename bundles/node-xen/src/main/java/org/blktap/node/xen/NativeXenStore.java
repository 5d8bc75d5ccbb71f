package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.Errno;

/**
 * A XenStore by libxenstore. {@link #readEvents} is the life of its reader thread, which turns events into flags: a
 * watch whose flag is set is queued for the XenBus thread, once, whatever a guest does (XSA-349). So what is queued
 * here is bounded by the number of watches. libxenstore and xenstored have queues of their own, which the reader keeps
 * short by doing nothing else.
 *
 * <p>The paths of events are not looked at, and tokens are ours.
 */
final class NativeXenStore implements XenStore {
    private static final Logger LOG = System.getLogger("org.blktap.node.xen");
    private static final int TRANSACTION_TRIES = 64;
    /** DOMID_FIRST_RESERVED of xen/xen.h. */
    private static final int DOMAINS = 0x7ff0;
    /**
     * A watch of this path starts libxenstore's own thread, without which a lost connection is not noticed; a second
     * one wakes the reader to end.
     */
    private static final String OWN = "domid";

    private static final String TOKEN_ALIVE = "alive";
    private static final String TOKEN_END = "end";

    private final XsLibrary library;
    private final Executor bus;
    private final Consumer<NativeXenStore> onLost;
    /** Calls hold the read lock, so that the library is closed under none of them. */
    private final ReentrantReadWriteLock calls = new ReentrantReadWriteLock();

    private final Map<String, NativeWatch> watches = new ConcurrentHashMap<>();
    private final AtomicLong tokens = new AtomicLong();
    private final AtomicBoolean ended = new AtomicBoolean();

    /**
     * Waits until xenstored has answered for the first time.
     *
     * @param onLost called once, on any thread, if the connection is lost rather than closed
     */
    NativeXenStore(XsLibrary library, Executor bus, Consumer<NativeXenStore> onLost) throws IOException {
        this.library = library;
        this.bus = bus;
        this.onLost = onLost;
        library.watch(OWN, TOKEN_ALIVE);
    }

    private final class NativeWatch implements Watch, Runnable {
        private final String path;
        private final String token;
        private final Runnable changed;
        /** Changed since it was last looked at, and therefore queued. */
        private final AtomicBoolean pending = new AtomicBoolean();

        private volatile boolean closed;

        NativeWatch(String path, String token, Runnable changed) {
            this.path = path;
            this.token = token;
            this.changed = changed;
        }

        void fire() {
            if (!pending.getAndSet(true)) {
                bus.execute(this);
            }
        }

        @Override
        public void run() {
            pending.set(false); // before looking: what comes from here on is looked at again
            if (!closed && !ended.get()) {
                changed.run();
            }
        }

        @Override
        public void close() {
            closed = true;
            if (watches.remove(token, this) && !ended.get()) {
                try {
                    call(path, () -> {
                        library.unwatch(path, token);
                        return null;
                    });
                } catch (IOException e) {
                    LOG.log(Level.DEBUG, e.getMessage());
                }
            }
        }
    }

    /**
     * Reads events until {@link #close} or until the connection is lost, and closes the library when the last call has
     * returned.
     */
    void readEvents() {
        try {
            for (String token = library.nextEvent(); token != null && !ended.get(); token = library.nextEvent()) {
                NativeWatch watch = watches.get(token);
                if (watch != null) {
                    watch.fire();
                }
            }
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the XenBus thread has ended"); // and with it all that would want to know
        } finally {
            lost();
            calls.writeLock().lock();
            library.close();
        }
    }

    private void lost() {
        if (!ended.getAndSet(true)) {
            onLost.accept(this);
        }
    }

    /** Ends {@link #readEvents}; every call fails from now on. Waits for xenstored. */
    void close() {
        try {
            call(OWN, () -> {
                ended.set(true);
                library.watch(OWN, TOKEN_END);
                return null;
            });
        } catch (IOException e) {
            LOG.log(Level.DEBUG, e.getMessage()); // lost already: then the reader ends by itself
        }
    }

    /** Lost or closed. */
    boolean isEnded() {
        return ended.get();
    }

    private interface Call<T> {
        T run() throws IOException;
    }

    /** Barges past {@link #readEvents}' wait for the lock: a caller waits for xenstored, not for other callers. */
    private <T> T call(String path, Call<T> call) throws IOException {
        if (ended.get() || !calls.readLock().tryLock()) {
            throw new XenStoreException("reach xenstored", path, Errno.EBADF);
        }
        try {
            return call.run();
        } catch (XenStoreException e) {
            if (e.isLost()) {
                lost(); // libxenstore drops a connection that breaks the protocol without notifying the reader
            }
            throw e;
        } finally {
            calls.readLock().unlock();
        }
    }

    @Override
    public int domainId() throws IOException {
        String domid = read(OWN);
        if (domid == null) {
            return 0;
        }
        try {
            int domain = Integer.parseInt(domid);
            if (domain >= 0 && domain < DOMAINS) {
                return domain;
            }
        } catch (NumberFormatException e) {
            // reported below
        }
        throw new IOException("XenStore: " + OWN + ": '" + domid + "', expected a domain from 0 to " + (DOMAINS - 1));
    }

    @Override
    public String read(String path) throws IOException {
        return read(XsLibrary.NO_TRANSACTION, path);
    }

    @Override
    public List<String> list(String path) throws IOException {
        return list(XsLibrary.NO_TRANSACTION, path);
    }

    @Override
    public void write(String path, String value) throws IOException {
        write(XsLibrary.NO_TRANSACTION, path, value);
    }

    @Override
    public void remove(String path) throws IOException {
        remove(XsLibrary.NO_TRANSACTION, path);
    }

    @Override
    public void permissions(String path, int owner, int reader) throws IOException {
        permissions(XsLibrary.NO_TRANSACTION, path, owner, reader);
    }

    private String read(int transaction, String path) throws IOException {
        XsText.path(path);
        byte[] value = unless(Errno.ENOENT, null, () -> call(path, () -> library.read(transaction, path)));
        return value == null ? null : FileNames.text(value);
    }

    private List<String> list(int transaction, String path) throws IOException {
        XsText.path(path);
        return unless(Errno.ENOENT, List.of(), () -> call(path, () -> library.directory(transaction, path)));
    }

    private void write(int transaction, String path, String value) throws IOException {
        byte[] bytes = XsText.value(XsText.path(path), value);
        call(path, () -> {
            library.write(transaction, path, bytes);
            return null;
        });
    }

    private void remove(int transaction, String path) throws IOException {
        XsText.path(path);
        unless(
                Errno.ENOENT,
                null,
                () -> call(path, () -> {
                    library.remove(transaction, path);
                    return null;
                }));
    }

    private void permissions(int transaction, String path, int owner, int reader) throws IOException {
        XsText.path(path);
        call(path, () -> {
            library.permissions(transaction, path, owner, reader);
            return null;
        });
    }

    /** What the call returns, or {@code otherwise} if it fails with this errno. */
    private static <T> T unless(int errno, T otherwise, Call<T> call) throws IOException {
        try {
            return call.run();
        } catch (XenStoreException e) {
            if (e.errno() != errno) {
                throw e;
            }
            return otherwise;
        }
    }

    @Override
    public void transaction(Change change) throws IOException {
        for (int i = 0; i < TRANSACTION_TRIES; i++) {
            int id = call("a transaction", library::startTransaction);
            boolean applied = false;
            try {
                change.apply(new Transaction(id));
                applied = true;
            } finally {
                if (!applied) {
                    abort(id);
                }
            }
            Boolean committed = unless(
                    Errno.EAGAIN,
                    false,
                    () -> call("a transaction", () -> {
                        library.endTransaction(id, false);
                        return true;
                    }));
            if (committed) {
                return;
            }
        }
        throw new XenStoreException("commit", "a transaction, " + TRANSACTION_TRIES + " times", Errno.EAGAIN);
    }

    private void abort(int transaction) {
        try {
            call("a transaction", () -> {
                library.endTransaction(transaction, true);
                return null;
            });
        } catch (IOException e) {
            LOG.log(Level.DEBUG, e.getMessage()); // the caller gets the earlier error
        }
    }

    @Override
    public Watch watch(String path, Runnable changed) throws IOException {
        XsText.path(path);
        NativeWatch watch = new NativeWatch(path, "w" + tokens.incrementAndGet(), changed);
        watches.put(watch.token, watch); // before its first event
        try {
            call(path, () -> {
                library.watch(path, watch.token);
                return null;
            });
        } catch (IOException e) {
            watches.remove(watch.token);
            throw e;
        }
        return watch;
    }

    private final class Transaction implements XenStore {
        private final int id;

        Transaction(int id) {
            this.id = id;
        }

        @Override
        public int domainId() throws IOException {
            return NativeXenStore.this.domainId();
        }

        @Override
        public String read(String path) throws IOException {
            return NativeXenStore.this.read(id, path);
        }

        @Override
        public List<String> list(String path) throws IOException {
            return NativeXenStore.this.list(id, path);
        }

        @Override
        public void write(String path, String value) throws IOException {
            NativeXenStore.this.write(id, path, value);
        }

        @Override
        public void remove(String path) throws IOException {
            NativeXenStore.this.remove(id, path);
        }

        @Override
        public void permissions(String path, int owner, int reader) throws IOException {
            NativeXenStore.this.permissions(id, path, owner, reader);
        }

        @Override
        public void transaction(Change change) {
            throw new IllegalStateException("a transaction within a transaction");
        }

        @Override
        public Watch watch(String path, Runnable changed) {
            throw new IllegalStateException("a watch within a transaction");
        }
    }
}
