/**
 * Block devices of the host, by Linux's ublk driver. The way of a request: {@link org.blktap.node.ublk.UblkDevice}
 * takes its tag from the io_uring, {@link org.blktap.node.ublk.UblkRequest} reads and checks its descriptor and submits
 * it; the device answers all that have ended by one system call a turn. The way of a device:
 * {@link org.blktap.node.ublk.DeviceOpening} makes or recovers it by commands of
 * {@link org.blktap.node.ublk.ControlRing}, {@link org.blktap.node.ublk.UblkNode} starts, stops and leaves it.
 */
package org.blktap.node.ublk;
