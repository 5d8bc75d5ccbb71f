package org.blktap.node.xen;

import java.io.IOException;
import java.util.List;

/**
 * One connection by libxenstore, in Java's types. For any thread. Failures are {@link XenStoreException}s; paths and
 * tokens are checked by the caller. A transaction is a number, 0 for none.
 */
interface XsLibrary {
    int NO_TRANSACTION = 0;

    byte[] read(int transaction, String path) throws IOException;

    List<String> directory(int transaction, String path) throws IOException;

    void write(int transaction, String path, byte[] value) throws IOException;

    void remove(int transaction, String path) throws IOException;

    /** {@code n<owner>,r<reader>}. */
    void permissions(int transaction, String path, int owner, int reader) throws IOException;

    int startTransaction() throws IOException;

    /** Commits or gives up a transaction; EAGAIN: it must be repeated. */
    void endTransaction(int transaction, boolean abort) throws IOException;

    /** An event with this token comes at once, and at each change. */
    void watch(String path, String token) throws IOException;

    void unwatch(String path, String token) throws IOException;

    /**
     * Waits for an event and returns its token; null when the connection is lost. Only after a first {@link #watch},
     * and on one thread.
     */
    String nextEvent();

    /** No other call may be under way, nor be made afterwards. */
    void close();
}
