package org.blktap.api.control;

import java.util.Locale;

/** The life of a job. */
public enum JobState {
    /** Works, or waits for its turn. */
    RUNNING,
    /** Waits for {@code job resume}: an operator has paused it, or an error that can be mended has. */
    PAUSED,
    /** Has nothing left to copy, and keeps both sides equal until it is completed or cancelled. */
    READY,
    /** Makes the last step. */
    COMPLETING,
    /** Has ended well. */
    DONE,
    /** Has ended, and the disk is as before; its message says why. */
    FAILED;

    /** Whether nothing happens any more. */
    public boolean ended() {
        return this == DONE || this == FAILED;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
