package org.blktap.shell.server;

/** A verb that has failed within gogo, so that {@code &&} and scripts stop there. */
final class VerbFailed extends Exception {
    private static final long serialVersionUID = 1;

    private final int status;

    /** @param message what the verb said on its error output */
    VerbFailed(int status, String message) {
        super(message);
        this.status = status;
    }

    int status() {
        return status;
    }
}
