package org.blktap.api.control;

/**
 * Why an attachment is in its state, when that is not simply what was asked for.
 *
 * @param kind for programs
 * @param text for people, one line; empty for {@link Kind#NONE}
 */
public record StateReason(Kind kind, String text) {
    /** No reason: the state is the one requested. */
    public static final StateReason NONE = new StateReason(Kind.NONE, "");

    /** The kinds of reason. */
    public enum Kind {
        /** Nothing to say. */
        NONE,
        /** An operator parked it; only an operator resumes it. */
        OPERATOR,
        /** The driver of an image of its chain is not installed, or is being replaced. */
        NO_DRIVER,
        /** Its I/O engine is not installed, or is being replaced. */
        NO_ENGINE,
        /** The bundle of one of its nodes is not installed, or is being replaced. */
        NO_NODE_KIND,
        /** One of its filters is not installed, or is being replaced. */
        NO_FILTER,
        /** Its image or one of its nodes cannot be opened. Tried again whenever a service arrives. */
        OPEN_FAILED,
        /**
         * Its image is in use elsewhere, and it was attached to wait until that ends; parked, it has waited long
         * enough.
         */
        IMAGE_IN_USE,
        /** Another host has taken its image. Stays parked until an operator resumes it. */
        IMAGE_TAKEN,
        /** What was found at its path is not the disk that the VM knows. */
        DIFFERENT_DISK,
        /**
         * Code of a driver, filter, engine or node threw. Stays parked until an operator resumes it, or the driver or
         * filter is replaced.
         */
        FAILED,
        /** Its disk is saving what a detach would lose. */
        SAVING,
        /** Its nodes are being changed. */
        NODE_CHANGE,
        /** Its filters are being changed. */
        FILTER_CHANGE,
        /** Its image is being made larger. */
        RESIZING,
        /** It is being changed to another image that holds the same, or to an overlay of its image. */
        IMAGE_CHANGE,
        /** Its medium is being changed. */
        MEDIUM_CHANGE,
        /**
         * Its storage has no space left, and it was attached to wait for it ({@link AttachRequest#ON_ENOSPC}). Requests
         * that have failed are held; a resume tries them again.
         */
        NO_SPACE,
        /**
         * Its storage fails, and it was attached to wait until it does no more ({@link AttachRequest#ON_EIO}). Requests
         * that have failed are held; a resume tries them again.
         */
        IO_ERROR,
        /** Requests at the disk do not end. */
        REQUESTS_STUCK,
        /** Its loop does not answer: a call of a driver, engine or node blocks there. */
        NOT_RESPONDING,
        /** It is being taken down. */
        DETACHING
    }

    /** Whether there is nothing to say. */
    public boolean isEmpty() {
        return kind == Kind.NONE;
    }

    @Override
    public String toString() {
        return text;
    }
}
