package org.blktap.ring;

/**
 * Thrown for a ring, or a record of one, that breaks its rules: the ring must not be served until it is connected anew.
 * The message says what was found and expected.
 */
public final class RingException extends Exception {
    private static final long serialVersionUID = 1;

    RingException(String message) {
        super(message);
    }
}
