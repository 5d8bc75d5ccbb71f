package org.blktap.api.engine;

import java.io.IOException;

/**
 * Thrown when the system, or an engine, refuses a blocking operation. An {@link IoLoop#offload offloaded} call that
 * throws it ends with its error number.
 */
public class ErrnoException extends IOException {
    private static final long serialVersionUID = 1;

    private final int errno;

    /**
     * @param doing what failed, e.g. {@code cannot write at 4096}
     * @param errno positive
     */
    public ErrnoException(String doing, int errno) {
        super(doing + ": " + Errno.text(errno));
        this.errno = errno;
    }

    /**
     * @param errno positive
     * @param message the whole message for people, one line
     */
    public ErrnoException(int errno, String message) {
        super(message);
        this.errno = errno;
    }

    /** A positive number of {@link Errno}. */
    public int errno() {
        return errno;
    }
}
