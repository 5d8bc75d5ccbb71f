package org.blktap.node.xen;

/** Notified on the XenBus thread when XenStore is connected or lost: the two alternate, beginning with connected. */
interface XenStoreListener {
    /** From now on {@code store} can be used. Nothing is left of watches on an earlier one. */
    void onConnected(XenStore store);

    /** The store given last fails every call from now on; its watches have ended. */
    void onLost();

    /**
     * Called with the reason, in one line, if there is no XenStore or it cannot be used; again whenever the reason
     * changes.
     */
    default void onAbsent(String reason) {
        // it will be connected, or not
    }
}
