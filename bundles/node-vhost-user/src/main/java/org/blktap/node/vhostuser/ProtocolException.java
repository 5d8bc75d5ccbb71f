package org.blktap.node.vhostuser;

/** A message of the client that cannot be obeyed; the text says what was found and expected. */
final class ProtocolException extends Exception {
    private static final long serialVersionUID = 1;

    ProtocolException(String message) {
        super(message);
    }
}
