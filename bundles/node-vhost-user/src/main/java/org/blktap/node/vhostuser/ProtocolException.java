package org.blktap.node.vhostuser;

/** Thrown for a message of the client that cannot be handled; the text says what was found and expected. */
final class ProtocolException extends Exception {
    private static final long serialVersionUID = 1;

    ProtocolException(String message) {
        super(message);
    }
}
