package org.blktap.shell.tapctl;

/** A failure with the error number that is the exit status. */
final class Refused extends Exception {
    private static final long serialVersionUID = 1;

    private final int errno;

    Refused(int errno, String message) {
        super(message);
        this.errno = errno;
    }

    int errno() {
        return errno;
    }
}
