package org.blktap.node.xen;

/** Notified when a domain has released a device, also by ending. */
interface DeviceGone {
    /**
     * Called on the XenBus thread, perhaps more than once.
     *
     * @param attachment the id of the attachment
     * @param node the address of its node, or as it was given
     * @param noDomain whether there is no such device any more: no toolstack comes to remove it
     */
    void gone(String attachment, String node, boolean noDomain);
}
