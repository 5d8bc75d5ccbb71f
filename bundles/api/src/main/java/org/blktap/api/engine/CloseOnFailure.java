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
 * Exceptions of a closing are added to the failure. One thread; not for requests, since it allocates.
 */
public final class CloseOnFailure implements AutoCloseable {
    private final Deque<Runnable> closings = new ArrayDeque<>();

    public CloseOnFailure() {}

    /** @param closing closes what is open already */
    public CloseOnFailure(Runnable closing) {
        add(closing);
    }

    /** Adds the thing that was opened next. It is closed before all that were added earlier. */
    public void add(Runnable closing) {
        closings.push(closing);
    }

    /** Replaces everything added so far by one closing of all of it. */
    public void addOwner(Runnable closing) {
        closings.clear();
        add(closing);
    }

    /** Keeps everything open, because the opening has succeeded. */
    public void keep() {
        closings.clear();
    }

    /** Keeps everything open as {@link #keep()} does, and returns the result. */
    public <T> T keep(T result) {
        keep();
        return result;
    }

    /** Closes everything that was added, unless it is kept. */
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
