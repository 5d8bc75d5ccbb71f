package org.blktap.node.xen;

/** Told on the XenBus thread whether there is a XenStore: connected and lost take turns, beginning with connected. */
interface XenStoreListener {
    /** From now on {@code store} can be used. Nothing is left of watches on an earlier one. */
    void onConnected(XenStore store);

    /** The store given last fails every call from now on; its watches have ended. */
    void onLost();
}
