package org.blktap.core;

import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskException;

/** A driver, filter, engine or node kind is not installed at present; an attachment waits for it. */
final class MissingService extends DiskException {
    private static final long serialVersionUID = 1;

    private final StateReason.Kind kind;
    private final String name;

    /** @param name of the missing service; null if any of its kind would do */
    MissingService(StateReason.Kind kind, String name, String message) {
        super(Reason.WRONG_TYPE, message);
        this.kind = kind;
        this.name = name;
    }

    String name() {
        return name;
    }

    StateReason.Kind kind() {
        return kind;
    }
}
