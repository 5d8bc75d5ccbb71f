/**
 * Xen's block protocol, the backend half. {@link org.blktap.node.xen.XenStore} is how the two halves find and notify
 * each other; {@link org.blktap.node.xen.XenBus} the thread on which that happens.
 */
package org.blktap.node.xen;
