package org.blktap.node.ublk;

import java.io.IOException;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.IoUring;

/** What the node needs from its machine; tests simulate it. */
interface UblkHost {
    /** Opens /dev/ublk-control. */
    int openControl() throws ErrnoException;

    /** Opens /dev/ublkcN; fails with EBUSY while another process has it open. */
    int openQueues(int number) throws ErrnoException;

    /** Maps descriptors of a queue for reading. */
    NativeBuffer mapDescriptors(int fd, long offset, long bytes) throws ErrnoException;

    IoUring ring(int entries, int flags) throws ErrnoException;

    int eventFd() throws ErrnoException;

    void close(int fd);

    int pageBytes();

    int pid();

    int user();

    /** Returns the numbers of all devices. */
    int[] devices() throws IOException;

    /** Returns who has the device or a part of it open or mounted, in a few words; null if nobody is found. Blocks. */
    String holder(int number);

    /**
     * Makes the driver reissue requests of a killed daemon within seconds, also if that had taken all tags. Blocks.
     * Where sysfs cannot be written, the driver takes half a minute.
     */
    void shortTimeout(int number);
}
