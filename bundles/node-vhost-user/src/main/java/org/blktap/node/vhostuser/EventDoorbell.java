package org.blktap.node.vhostuser;

import org.blktap.linux.Libc;

/** A doorbell that is an eventfd. */
final class EventDoorbell implements Doorbell {
    private final int fd;
    private final VirtioBlkDevice device;

    EventDoorbell(int fd, VirtioBlkDevice device) {
        this.fd = fd;
        this.device = device;
    }

    @Override
    public void ring() {
        if (!device.eventWrites().write(fd, device.eventOne())) {
            device.doom("its eventfd was full and blocked this side");
        }
    }

    @Override
    public void close() {
        Libc.close(fd);
    }
}
