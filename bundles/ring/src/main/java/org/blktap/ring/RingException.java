package org.blktap.ring;

/** A ring that breaks its rules, or its record does: it is to be served no more until it is connected anew. The message tells what was found and expected. */
public final class RingException extends Exception {
    private static final long serialVersionUID = 1;

    RingException(String message) {
        super(message);
    }
}
