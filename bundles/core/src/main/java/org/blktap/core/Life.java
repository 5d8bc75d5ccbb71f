package org.blktap.core;

import java.util.Map;
import java.util.Set;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason;

/** What an attachment is doing, and why: the states, and the one table of the transitions between them. */
sealed interface Life {
    /** Its image and nodes are being opened, or what it waits for is still in use elsewhere. */
    record Opening(StateReason why) implements Life {
        Opening() {
            this(StateReason.NONE);
        }
    }

    /** The gate is open. */
    record Running() implements Life {}

    /** The gate is closed; requests at the disk are ending, or the disk is being flushed and closed. */
    record Parking(StateReason why) implements Life {}

    /**
     * The gate is closed and nothing is at the disk, which is closed unless only a node is missing, or its storage has
     * failed.
     */
    record Parked(StateReason why) implements Life {}

    /** Being taken down; the step says what is waited for. Nothing leads back. */
    record Detaching(String step) implements Life {}

    /** Nothing is left of it. */
    record Detached() implements Life {}

    /** From each state, where it may go. */
    Map<Class<? extends Life>, Set<Class<? extends Life>>> TRANSITIONS = Map.of(
            // to itself: its image is in use elsewhere, and waited for
            Opening.class, Set.of(Opening.class, Running.class, Parking.class, Parked.class, Detaching.class),
            Running.class, Set.of(Parking.class, Detaching.class),
            // back to running: requests did not end in time, or a disk could not be saved
            Parking.class, Set.of(Running.class, Parking.class, Parked.class, Detaching.class),
            Parked.class, Set.of(Opening.class, Parking.class, Parked.class, Detaching.class),
            Detaching.class, Set.of(Detaching.class, Detached.class),
            Detached.class, Set.of());

    /**
     * The next state.
     *
     * @throws IllegalStateException if the table has no such transition: a bug of the core
     */
    default Life to(Life next) {
        if (!TRANSITIONS.get(getClass()).contains(next.getClass())) {
            throw new IllegalStateException("an attachment cannot go from " + this + " to " + next);
        }
        return next;
    }

    /** The state that commands show. */
    default State state() {
        if (this instanceof Opening) {
            return State.OPENING;
        } else if (this instanceof Running) {
            return State.RUNNING;
        } else if (this instanceof Parking) {
            return State.PARKING;
        } else if (this instanceof Parked) {
            return State.PARKED;
        }
        return State.DETACHING;
    }

    /** Why it is in this state; {@link StateReason#NONE} if there is nothing to say. */
    default StateReason why() {
        if (this instanceof Opening opening) {
            return opening.why();
        } else if (this instanceof Parking parking) {
            return parking.why();
        } else if (this instanceof Parked parked) {
            return parked.why();
        }
        if (this instanceof Detaching detaching) {
            return new StateReason(StateReason.Kind.DETACHING, detaching.step());
        }
        // shown for a moment, until it is off the list
        return this instanceof Detached
                ? new StateReason(StateReason.Kind.DETACHING, "it has ended")
                : StateReason.NONE;
    }

    /** Whether it is ending or has ended. */
    default boolean ending() {
        return this instanceof Detaching || this instanceof Detached;
    }
}
