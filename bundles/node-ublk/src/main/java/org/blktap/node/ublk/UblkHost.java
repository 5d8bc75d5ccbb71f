package org.blktap.node.ublk;

import java.io.IOException;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.IoUring;

/** What the node needs of its machine; a test may simulate it. */
interface UblkHost {
    /** Opens /dev/ublk-control. */
    int openControl() throws ErrnoException;

    /** Opens /dev/ublkcN; EBUSY as long as a process has it. */
    int openQueues(int number) throws ErrnoException;

    /** Maps descriptors of a queue for reading. */
    NativeBuffer mapDescriptors(int fd, long offset, long bytes) throws ErrnoException;

    IoUring ring(int entries, int flags) throws ErrnoException;

    int eventFd() throws ErrnoException;

    void close(int fd);

    int pageBytes();

    int pid();

    int user();

    /** Numbers of all devices that there are. */
    int[] devices() throws IOException;

    /** Who has the device or a part of it open or mounted, in a few words; null if nobody is found. Blocks. */
    String holder(int number);

    /**
     * Has requests that a killed daemon has left be reissued within seconds, also if it has left as many as the device
     * can have. Blocks; where sysfs cannot be written, it takes half a minute.
     */
    void shortTimeout(int number);
}
