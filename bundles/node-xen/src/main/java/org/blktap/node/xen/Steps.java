package org.blktap.node.xen;

import org.blktap.api.engine.Pace;

/**
 * When the steps of one device are taken: one at a time, and none while the node is doing what it was asked. A frontend
 * that changes its state all the time gets {@link #AT_ONCE} steps, then one every {@link #MILLISECONDS}: the thread is
 * that of all devices. XenBus thread only.
 */
final class Steps {
    static final int AT_ONCE = 100;
    static final long MILLISECONDS = 20;

    private final XenBus bus;
    private final Runnable step;
    private final Pace pace = new Pace(AT_ONCE, MILLISECONDS);
    private boolean delayed;
    /** The node is doing what it was last asked, and answers by {@link XenBus#execute}. */
    private boolean busy;
    /** Something has changed meanwhile. */
    private boolean again;

    /** @param step takes a step if {@link #mayBegin}; throws nothing */
    Steps(XenBus bus, Runnable step) {
        this.bus = bus;
        this.step = step;
    }

    /** Called when a state has changed: takes a step now, or soon if there were many. */
    void changed() {
        if (pace.now()) {
            step.run();
        } else if (!delayed) {
            delayed = true;
            bus.after(MILLISECONDS, () -> {
                delayed = false;
                changed();
            });
        }
    }

    /** Whether a step may begin; if not, one follows the node's answer. */
    boolean mayBegin() {
        again |= busy;
        return !busy;
    }

    /** The node has been asked for something. */
    void asked() {
        busy = true;
    }

    void answered() {
        busy = false;
    }

    /** Another step is wanted after the present one, whatever changes. */
    void again() {
        again = true;
    }

    /** Takes the step that is wanted, if there is one. */
    void next() {
        if (again) {
            again = false;
            step.run();
        }
    }
}
