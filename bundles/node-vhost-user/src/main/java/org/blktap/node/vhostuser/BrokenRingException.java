package org.blktap.node.vhostuser;

/** Thrown for a ring that breaks the rules of virtio; it is not served until the client sets it up again. */
final class BrokenRingException extends Exception {
    private static final long serialVersionUID = 1;

    BrokenRingException(String message) {
        super(message);
    }
}
