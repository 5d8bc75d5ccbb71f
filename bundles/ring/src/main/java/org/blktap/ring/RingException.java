package org.blktap.ring;

/** A ring that breaks its rules, or its record does: it must not be served until it is connected anew. The message says what was found and expected. */
public final class RingException extends Exception {
    private static final long serialVersionUID = 1;

    RingException(String message) {
        super(message);
    }
}
