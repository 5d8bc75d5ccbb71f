package org.blktap.api.engine;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Closes what was opened so far if the rest of an opening fails:
 *
 * <pre>{@code
 * IoFile file = context.openFile(path);
 * try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
 *     Header header = Header.read(file);
 *     NativeBuffer table = context.memory().allocate(header.tableBytes());
 *     opened.add(table::close);
 *     return opened.keep(new Disk(file, header, table));
 * }
 * }</pre>
 *
 * What a closing throws is added to the failure. One thread; not for requests, as it allocates.
 */
public final class CloseOnFailure implements AutoCloseable {
    private final Deque<Runnable> closings = new ArrayDeque<>();

    public CloseOnFailure() {
    }

    /** @param closing closes what is open already */
    public CloseOnFailure(Runnable closing) {
        add(closing);
    }

    /** Adds what was opened next; it is closed before all that was added earlier. */
    public void add(Runnable closing) {
        closings.push(closing);
    }

    /** Adds what closes all that was opened so far. */
    public void addOwner(Runnable closing) {
        closings.clear();
        add(closing);
    }

    /** Leaves everything open: the opening has succeeded. */
    public void keep() {
        closings.clear();
    }

    /** As {@link #keep()}; returns the result. */
    public <T> T keep(T result) {
        keep();
        return result;
    }

    /** Closes what was added, unless it is kept. */
    @Override
    public void close() {
        Throwable failure = null;
        while (!closings.isEmpty()) {
            try {
                closings.pop().run();
            } catch (RuntimeException | Error e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure instanceof Error error) {
            throw error;
        } else if (failure != null) {
            throw (RuntimeException) failure;
        }
    }
}
