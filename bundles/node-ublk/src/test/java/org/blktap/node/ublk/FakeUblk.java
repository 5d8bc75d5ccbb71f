package org.blktap.node.ublk;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.IoUring;
import org.blktap.linux.IoUringKernel;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * A kernel with io_uring and the ublk driver of Linux 6.12, as far as the node uses them. It outlives daemons, as a
 * kernel does. All methods are for any thread.
 */
final class FakeUblk implements UblkHost, IoUringKernel {
    static final long FEATURES = Ublk.FEATURES_NEEDED;
    private static final int CONTROL = 1000;
    private static final int FIRST_FD = 2000;
    private static final int USER = 4711;
    private static final int EBADF = 9;

    private final Map<Integer, Ring> rings = new HashMap<>();
    private final Map<Integer, Device> open = new HashMap<>();
    final Map<Integer, Device> devices = new TreeMap<>();
    /** Commands of the control device, by their numbers, in order. */
    final List<Integer> commands = new ArrayList<>();
    /** The errno that a command of a number fails with. */
    final Map<Integer, Integer> fails = new HashMap<>();
    /** What {@link #holder} says. */
    volatile String holder;

    private int nextFd = FIRST_FD;
    private boolean killing;

    static final class Ring {
        final int entries;
        final int sqeBytes;
        final boolean deferred;
        final Mapping memory;
        final Mapping sqes;
        final ArrayDeque<Runnable> work = new ArrayDeque<>();
        int eventFd = -1;
        final Thread owner = Thread.currentThread();

        static final int SQ_HEAD = 0;
        static final int SQ_TAIL = 64;
        static final int SQ_FLAGS = 128;
        static final int CQ_HEAD = 192;
        static final int CQ_TAIL = 256;
        static final int CQ_FLAGS = 320;
        static final int CQES = 512;

        Ring(int entries, int flags) {
            this.entries = entries;
            sqeBytes = (flags & IoUring.SETUP_SQE128) != 0 ? 128 : 64;
            deferred = (flags & IoUring.SETUP_DEFER_TASKRUN) != 0;
            memory = Mapping.anonymous(CQES + entries * 2L * IoUring.CQE_BYTES + entries * 4L);
            sqes = Mapping.anonymous((long) entries * sqeBytes);
        }

        void complete(long userData, int result) {
            long at = memory.address();
            int tail = Memory.getInt(at + CQ_TAIL);
            if (tail - Memory.getInt(at + CQ_HEAD) >= entries * 2) {
                throw new AssertionError("completions overflow");
            }
            long cqe = at + CQES + (long) (tail & entries * 2 - 1) * IoUring.CQE_BYTES;
            Memory.putLong(cqe + IoUring.CQE_USER_DATA, userData);
            Memory.putInt(cqe + IoUring.CQE_RES, result);
            Memory.putIntRelease(at + CQ_TAIL, tail + 1);
            signal();
        }

        /** Work of a completion: at the next enter, or at once. */
        void later(Runnable task) {
            if (deferred) {
                work.add(task);
                Memory.putIntRelease(memory.address() + SQ_FLAGS, IoUring.SQ_TASKRUN);
                signal();
            } else {
                task.run();
            }
        }

        private void signal() {
            if (eventFd >= 0 && Memory.getIntAcquire(memory.address() + CQ_FLAGS) == 0) {
                try (Mapping one = Mapping.anonymous(8)) {
                    Memory.putLong(one.address(), 1);
                    Libc.write(eventFd, one.address(), 8);
                }
            }
        }
    }

    /** A request of the block layer. */
    static final class Io {
        final int opFlags;
        final long sector;
        final int sectors;
        final byte[] data;
        final CompletableFuture<Integer> result = new CompletableFuture<>();

        Io(int opFlags, long sector, int sectors, byte[] data) {
            this.opFlags = opFlags;
            this.sector = sector;
            this.sectors = sectors;
            this.data = data;
        }
    }

    private enum TagState {
        NONE,
        AT_DRIVER,
        AT_SERVER
    }

    private static final class Tag {
        TagState state = TagState.NONE;
        long buffer;
        Io io;
    }

    /** A device of the driver's. */
    final class Device {
        final int number;
        int queues;
        int depth;
        int bufferBytes;
        int state = Ublk.STATE_DEAD;
        int pid;
        long flags;
        long identity;
        int owner = USER;
        byte[] parameters;
        boolean opened;
        boolean recovering;
        boolean stopping;
        Tag[] tags;
        Mapping descriptors;
        Ring ring;
        int ringFd;
        final ArrayDeque<Io> waiting = new ArrayDeque<>();
        private Runnable whenIdle;

        Device(int number) {
            this.number = number;
        }

        /** Submits a request as the block layer does. */
        Io submit(int opFlags, long sector, int sectors, byte[] data) {
            synchronized (FakeUblk.this) {
                Io io = new Io(opFlags, sector, sectors, data);
                waiting.add(io);
                dispatch();
                return io;
            }
        }

        void dispatch() {
            while (state == Ublk.STATE_LIVE && !stopping && !waiting.isEmpty()) {
                int free = 0;
                while (free < tags.length && tags[free].state != TagState.AT_DRIVER) {
                    free++;
                }
                if (free == tags.length) {
                    return;
                }
                Io io = waiting.remove();
                Tag tag = tags[free];
                tag.state = TagState.AT_SERVER;
                tag.io = io;
                int index = free;
                ring.later(() -> {
                    long at = descriptor(index);
                    Memory.putInt(at + Ublk.DESC_OP_FLAGS, io.opFlags);
                    Memory.putInt(at + Ublk.DESC_SECTORS, io.sectors);
                    Memory.putLong(at + Ublk.DESC_START, io.sector);
                    if ((io.opFlags & Ublk.OP_MASK) == Ublk.OP_WRITE && io.data != null) {
                        for (int i = 0; i < io.data.length; i++) {
                            Memory.putByte(tag.buffer + i, io.data[i]);
                        }
                    }
                    ring.complete(index, Ublk.RES_OK);
                });
            }
        }

        private long descriptor(int index) {
            return descriptors.address()
                    + Ublk.descriptorOffset(index / depth, pageBytes())
                    + (long) (index % depth) * Ublk.DESC_BYTES;
        }

        int answered(int index, int result, long buffer) {
            Tag tag = tags[index];
            if (tag.state != TagState.AT_SERVER) {
                return -Errno.EINVAL;
            }
            Io io = tag.io;
            if (result > 0 && (io.opFlags & Ublk.OP_MASK) == Ublk.OP_READ) {
                for (int i = 0; i < Math.min(result, io.data.length); i++) {
                    io.data[i] = Memory.getByte(tag.buffer + i);
                }
            }
            tag.state = TagState.AT_DRIVER;
            tag.buffer = buffer;
            tag.io = null;
            io.result.complete(result);
            dispatch();
            stopIfIdle();
            return 0;
        }

        void stopIfIdle() {
            if (whenIdle != null && inFlight() == 0) {
                Runnable then = whenIdle;
                whenIdle = null;
                then.run();
            }
        }

        int inFlight() {
            int count = 0;
            for (Tag tag : tags) {
                count += tag.state == TagState.AT_SERVER ? 1 : 0;
            }
            return count;
        }

        /** The server's ring has gone: what is in flight is submitted again. */
        void lost() {
            List<Io> again = new ArrayList<>();
            for (Tag tag : tags) {
                if (tag.io != null) {
                    again.add(tag.io);
                }
                tag.io = null;
                tag.state = TagState.NONE;
            }
            for (int i = again.size() - 1; i >= 0; i--) {
                waiting.addFirst(again.get(i));
            }
            if (state == Ublk.STATE_LIVE) {
                state = Ublk.STATE_QUIESCED;
            }
            ring = null;
        }

        private int fetch(int index, long buffer, Ring by, int byFd) {
            if (index >= tags.length || tags[index].state != TagState.NONE) {
                return -Errno.EBUSY;
            }
            tags[index].state = TagState.AT_DRIVER;
            tags[index].buffer = buffer;
            ring = by;
            ringFd = byFd;
            return 0;
        }
    }

    // ---- io_uring

    @Override
    public synchronized int setup(int entries, long params) {
        int size = Integer.highestOneBit(Math.max(1, entries * 2 - 1));
        int flags = Memory.getInt(params + IoUring.PARAMS_FLAGS);
        Ring ring = new Ring(size, flags);
        Memory.putInt(params + IoUring.PARAMS_SQ_ENTRIES, size);
        Memory.putInt(params + IoUring.PARAMS_CQ_ENTRIES, size * 2);
        Memory.putInt(params + IoUring.PARAMS_FEATURES, IoUring.FEAT_SINGLE_MMAP);
        long sq = params + IoUring.PARAMS_SQ_OFF;
        Memory.putInt(sq + IoUring.OFF_HEAD, Ring.SQ_HEAD);
        Memory.putInt(sq + IoUring.OFF_TAIL, Ring.SQ_TAIL);
        Memory.putInt(sq + IoUring.OFF_SQ_FLAGS, Ring.SQ_FLAGS);
        Memory.putInt(sq + IoUring.OFF_SQ_ARRAY, Ring.CQES + size * 2 * IoUring.CQE_BYTES);
        long cq = params + IoUring.PARAMS_CQ_OFF;
        Memory.putInt(cq + IoUring.OFF_HEAD, Ring.CQ_HEAD);
        Memory.putInt(cq + IoUring.OFF_TAIL, Ring.CQ_TAIL);
        Memory.putInt(cq + IoUring.OFF_CQES, Ring.CQES);
        Memory.putInt(cq + IoUring.OFF_CQ_FLAGS, Ring.CQ_FLAGS);
        int fd = nextFd++;
        rings.put(fd, ring);
        return fd;
    }

    @Override
    public synchronized int enter(int fd, int submit, int wait, int flags) {
        Ring ring = rings.get(fd);
        if (ring == null) {
            // of a daemon that was killed
            return -EBADF;
        }
        if (ring.deferred && Thread.currentThread() != ring.owner) {
            return -Errno.EEXIST;
        }
        long at = ring.memory.address();
        int head = Memory.getInt(at + Ring.SQ_HEAD);
        for (int i = 0; i < submit; i++) {
            long array = at + Ring.CQES + ring.entries * 2L * IoUring.CQE_BYTES;
            int index = Memory.getInt(array + (long) (head & ring.entries - 1) * 4);
            perform(ring, fd, ring.sqes.address() + (long) index * ring.sqeBytes);
            head++;
        }
        Memory.putIntRelease(at + Ring.SQ_HEAD, head);
        while (!ring.work.isEmpty()) {
            ring.work.remove().run();
        }
        Memory.putIntRelease(at + Ring.SQ_FLAGS, 0);
        return submit;
    }

    private void perform(Ring ring, int ringFd, long sqe) {
        long userData = Memory.getLong(sqe + IoUring.SQE_USER_DATA);
        if (Memory.getByte(sqe + IoUring.SQE_OPCODE) == IoUring.OP_NOP) {
            ring.complete(userData, 0);
            return;
        }
        int fd = Memory.getInt(sqe + IoUring.SQE_FD);
        int operation = Memory.getInt(sqe + IoUring.SQE_CMD_OP);
        long command = sqe + IoUring.SQE_CMD;
        if (fd == CONTROL) {
            Integer error = fails.get(operation);
            commands.add(operation);
            if (error != null) {
                ring.complete(userData, -error);
            } else {
                control(ring, userData, operation, command);
            }
            return;
        }
        Device device = open.get(fd);
        int index = Memory.getShort(command + Ublk.IO_Q_ID) * device.depth + Memory.getShort(command + Ublk.IO_TAG);
        long buffer = Memory.getLong(command + Ublk.IO_ADDR);
        int result = operation == Ublk.IO_FETCH_REQ
                ? device.fetch(index, buffer, ring, ringFd)
                : device.answered(index, Memory.getInt(command + Ublk.IO_RESULT), buffer);
        if (result < 0) {
            ring.complete(userData, result);
        }
    }

    @Override
    public synchronized int register(int fd, int operation, long argument, int count) {
        rings.get(fd).eventFd = Memory.getInt(argument);
        return 0;
    }

    @Override
    public synchronized long map(int fd, long offset, long bytes) {
        Ring ring = rings.get(fd);
        return offset == IoUring.MAP_RINGS ? ring.memory.address() : ring.sqes.address();
    }

    @Override
    public void unmap(long address, long bytes) {
        // with the ring
    }

    @Override
    public synchronized void close(int fd) {
        Ring ring = rings.remove(fd);
        Device device = open.remove(fd);
        if (ring != null) {
            devices.values().stream().filter(each -> each.ring == ring).forEach(Device::lost);
            if (!killing) {
                ring.memory.close();
                ring.sqes.close();
            }
        } else if (device != null) {
            device.opened = false;
        } else if (fd < CONTROL) {
            Libc.close(fd);
        }
    }

    /** Ends a daemon as kill -9 does: all that it has open. */
    synchronized void kill() {
        // the daemon's thread runs on here, and looks into its rings
        killing = true;
        List.copyOf(rings.keySet()).forEach(this::close);
        List.copyOf(open.keySet()).forEach(this::close);
        killing = false;
    }

    synchronized int openFiles() {
        return rings.size() + open.size();
    }

    // ---- the control device

    private void control(Ring ring, long userData, int operation, long command) {
        int number = Memory.getInt(command + Ublk.CTRL_DEV_ID);
        long argument = Memory.getLong(command + Ublk.CTRL_ADDR);
        if (operation == Ublk.CMD_ADD_DEV) {
            ring.complete(userData, add(number, argument));
            return;
        }
        Device device = devices.get(number);
        if (device == null) {
            ring.complete(userData, -Errno.ENODEV);
        } else if (operation == Ublk.CMD_STOP_DEV
                || operation == Ublk.CMD_DEL_DEV
                || operation == Ublk.CMD_DEL_DEV_ASYNC) {
            stop(device, () -> {
                if (operation != Ublk.CMD_STOP_DEV) {
                    devices.remove(number);
                }
                ring.complete(userData, 0);
            });
        } else {
            ring.complete(userData, control(device, operation, command, argument));
        }
    }

    private int add(int wanted, long argument) {
        DeviceInfo info = DeviceInfo.read(argument);
        int number = wanted;
        while (wanted == -1 && devices.containsKey(++number)) {
            // the next one
        }
        if (devices.containsKey(number)) {
            return -Errno.EEXIST;
        }
        if (number < 0) {
            number = 0;
        }
        Device device = new Device(number);
        device.queues = Math.min(info.queues(), 2);
        device.depth = info.depth();
        device.bufferBytes = info.bufferBytes();
        device.flags = info.flags();
        device.identity = info.identity();
        device.tags = new Tag[device.queues * device.depth];
        for (int i = 0; i < device.tags.length; i++) {
            device.tags[i] = new Tag();
        }
        device.descriptors = Mapping.anonymous(Ublk.descriptorOffset(device.queues, pageBytes()));
        devices.put(number, device);
        write(device, argument);
        return 0;
    }

    private static void write(Device device, long argument) {
        new DeviceInfo(
                        device.number,
                        device.queues,
                        device.depth,
                        device.state,
                        device.bufferBytes,
                        device.pid,
                        device.flags,
                        device.identity,
                        device.owner)
                .write(argument);
        Memory.putShort(argument + 4, (short) device.state);
        Memory.putInt(argument + 40, device.owner);
    }

    private int control(Device device, int operation, long command, long argument) {
        if (operation == Ublk.CMD_GET_DEV_INFO) {
            write(device, argument);
        } else if (operation == Ublk.CMD_SET_PARAMS) {
            device.parameters = new byte[Parameters.BYTES];
            for (int i = 0; i < Parameters.BYTES; i++) {
                device.parameters[i] = Memory.getByte(argument + i);
            }
        } else if (operation == Ublk.CMD_START_DEV) {
            device.pid = (int) Memory.getLong(command + Ublk.CTRL_DATA);
            device.state = Ublk.STATE_LIVE;
            device.dispatch();
        } else if (operation == Ublk.CMD_START_USER_RECOVERY) {
            if (device.opened || device.state != Ublk.STATE_QUIESCED) {
                return -Errno.EBUSY;
            }
            device.recovering = true;
        } else if (operation == Ublk.CMD_END_USER_RECOVERY) {
            device.pid = (int) Memory.getLong(command + Ublk.CTRL_DATA);
            device.recovering = false;
            device.state = Ublk.STATE_LIVE;
            device.dispatch();
        } else {
            return -Errno.EOPNOTSUPP;
        }
        return 0;
    }

    private void stop(Device device, Runnable then) {
        device.stopping = true;
        device.whenIdle = () -> {
            device.state = Ublk.STATE_DEAD;
            device.waiting.forEach(io -> io.result.complete(-Errno.EIO));
            device.waiting.clear();
            for (int i = 0; i < device.tags.length; i++) {
                if (device.tags[i].state == TagState.AT_DRIVER) {
                    device.tags[i].state = TagState.NONE;
                    device.ring.complete(i, -Errno.ENODEV);
                }
            }
            then.run();
        };
        device.stopIfIdle();
    }

    // ---- the host

    @Override
    public int openControl() {
        return CONTROL;
    }

    @Override
    public synchronized int openQueues(int number) throws ErrnoException {
        Device device = devices.get(number);
        if (device.opened) {
            throw new ErrnoException("cannot open", Errno.EBUSY);
        }
        device.opened = true;
        int fd = nextFd++;
        open.put(fd, device);
        return fd;
    }

    @Override
    public synchronized NativeBuffer mapDescriptors(int fd, long offset, long bytes) {
        Device device = open.get(fd);
        NativeBuffer whole = device.descriptors;
        return new NativeBuffer() {
            @Override
            public long address() {
                return whole.address() + offset;
            }

            @Override
            public long size() {
                return bytes;
            }

            @Override
            public java.nio.ByteBuffer bytes(long at, int length) {
                return whole.bytes(offset + at, length);
            }

            @Override
            public void close() {
                // it is the driver's
            }
        };
    }

    @Override
    public IoUring ring(int entries, int flags) throws ErrnoException {
        return IoUring.open(this, entries, flags);
    }

    @Override
    public int eventFd() {
        return Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
    }

    @Override
    public int pageBytes() {
        return 4096;
    }

    @Override
    public int pid() {
        return 42;
    }

    @Override
    public int user() {
        return USER;
    }

    @Override
    public synchronized int[] devices() {
        return devices.keySet().stream().mapToInt(Integer::intValue).toArray();
    }

    @Override
    public String holder(int number) {
        return holder;
    }

    @Override
    public void shortTimeout(int number) {
        // its requests have no time limit
    }
}
