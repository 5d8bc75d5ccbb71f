/**
 * vhost-user-blk: the backend half of the vhost-user protocol, split virtqueues, and virtio-blk on top. The way of a
 * request: {@link org.blktap.node.vhostuser.Virtqueue} finds its head,
 * {@link org.blktap.node.vhostuser.DescriptorChain} its memory, {@link org.blktap.node.vhostuser.VirtioBlkRequest} its
 * meaning, {@link org.blktap.node.vhostuser.VirtioBlkQueue} answers it. The way of a message:
 * {@link org.blktap.node.vhostuser.FrontendSocket}, {@link org.blktap.node.vhostuser.FrontendConnection},
 * {@link org.blktap.node.vhostuser.MessageHandler}.
 */
package org.blktap.node.vhostuser;
