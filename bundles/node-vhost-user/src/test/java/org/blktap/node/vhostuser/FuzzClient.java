package org.blktap.node.vhostuser;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;

/**
 * A client that does what it likes: half of it nearly right, as only that gets far. One connection and what it shares.
 */
final class FuzzClient implements AutoCloseable {
    private static final long GUEST = 1L << 32;
    private static final int RAM = 2 * TestDriver.WINDOW;
    private static final int QUEUE = 64;
    private static final int EVENT_FULL_ODDS = 40_000;
    private static final int[] SIZES = {0, 8, 8, 8, 13, 20, 24, 40, 40, 72, 264, 268};
    private static final int[] REQUESTS = {
        1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 21, 24, 25, 31, 32, 34, 36, 37, 38
    };
    private static final int[] TYPES = {
        VirtioBlk.T_IN,
        VirtioBlk.T_OUT,
        VirtioBlk.T_FLUSH,
        VirtioBlk.T_GET_ID,
        VirtioBlk.T_DISCARD,
        VirtioBlk.T_WRITE_ZEROES,
        77
    };

    private final Random random;
    private final VhostUserTestClient client;
    private final List<TestMemory> memories = new ArrayList<>();
    private final List<Integer> others = new ArrayList<>();
    private final TestDriver[] drivers = new TestDriver[2];
    private final TestMemory scratch = new TestMemory(4096);
    private int inflightFd = -1;
    private long inflightSize = 4096;

    FuzzClient(TestNode node, Random random) {
        this.random = random;
        client = new VhostUserTestClient(node.socket);
        memories.add(new TestMemory(RAM));
        memories.add(new TestMemory(RAM));
        memories.add(new TestMemory(4096));
        for (int i = 0; i < drivers.length; i++) {
            drivers[i] = new TestDriver(
                    memories.get(0), (long) i * TestDriver.WINDOW, GUEST, i, QUEUE, random.nextBoolean());
        }
        others.add(Libc.eventfd(0, Libc.EFD_CLOEXEC));
        others.add(Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0));
        others.add(Libc.open("/proc/self/maps", Libc.O_RDONLY | Libc.O_CLOEXEC, 0));
        others.add(Libc.epoll_create1(Libc.EPOLL_CLOEXEC));
        others.add(Libc.socket(Libc.AF_INET, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0));
        Libc.pipe2(scratch.address(), Libc.O_CLOEXEC);
        addPair();
        Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, scratch.address());
        addPair();
    }

    private void addPair() {
        others.add(Memory.getInt(scratch.address()));
        others.add(Memory.getInt(scratch.address() + 4));
    }

    /** Sets up what a good client would, so that what follows reaches further. */
    void begin() throws Exception {
        long features = VirtioBlk.F_VERSION_1
                | VirtioBlk.F_PROTOCOL_FEATURES
                | VirtioBlk.F_FLUSH
                | (drivers[0].eventIdx ? VirtioBlk.F_EVENT_IDX : 0)
                | (random.nextBoolean() ? VirtioBlk.F_INDIRECT_DESC : 0);
        client.negotiate(features);
        client.set(
                Protocol.ADD_MEM_REG,
                VhostUserTestClient.region(GUEST, RAM, VhostUserTestClient.USER, 0),
                memories.get(0).fd);
        if (random.nextBoolean()) {
            inflight();
        }
        for (TestDriver driver : drivers) {
            driver.start(client, 0);
        }
    }

    private void inflight() throws Exception {
        int queueSize = 1 + random.nextInt(128);
        ByteBuffer answer = client.get(Protocol.GET_INFLIGHT_FD, region(0, 0, 2, queueSize));
        if (inflightFd != -1) {
            Libc.close(inflightFd);
        }
        inflightFd = client.replyFd;
        client.replyFd = -1;
        inflightSize = answer.getLong(0);
        if (random.nextInt(3) == 0) {
            scribble(inflightFd, inflightSize);
        }
        client.trySet(Protocol.SET_INFLIGHT_FD, region(inflightSize, 0, 2, queueSize), inflightFd);
    }

    private static ByteBuffer region(long size, long offset, int queues, int queueSize) {
        return VhostUserTestClient.bytes(24)
                .putLong(size)
                .putLong(offset)
                .putShort((short) queues)
                .putShort((short) queueSize)
                .putInt(0)
                .flip();
    }

    /** One input: a message, or something done to what is shared. */
    void input() throws Exception {
        switch (random.nextInt(12)) {
            case 0 -> anyMessage();
            case 1, 2 -> likelyMessage();
            case 3 -> ringState();
            case 4, 5, 6 -> request();
            case 7, 8 -> hostileRing();
            case 9 -> truncate();
            case 10 -> scribbleSomewhere();
            default -> descriptors();
        }
    }

    void forgetRequests() {
        for (TestDriver driver : drivers) {
            driver.forgetAll();
        }
    }

    private int[] fds() {
        int[] fds = new int[random.nextInt(4) == 0 ? random.nextInt(10) : random.nextInt(2)];
        for (int i = 0; i < fds.length; i++) {
            fds[i] = anyFd();
        }
        return fds;
    }

    private int anyFd() {
        return switch (random.nextInt(6)) {
            case 0 -> others.get(random.nextInt(others.size()));
            case 1 -> drivers[random.nextInt(2)].kick;
            case 2 -> drivers[random.nextInt(2)].call;
            case 3 -> inflightFd != -1 ? inflightFd : memories.get(0).fd;
            default -> memories.get(random.nextInt(memories.size())).fd;
        };
    }

    private long number() {
        return switch (random.nextInt(8)) {
            case 0 -> 0;
            case 1 -> random.nextInt(4);
            case 2 -> 1L << random.nextInt(64);
            case 3 -> GUEST + random.nextInt(RAM);
            case 4 -> VhostUserTestClient.USER + (random.nextInt(RAM) & -4096);
            case 5 -> -random.nextInt(5000);
            case 6 -> random.nextInt(RAM / 4096) * 4096L;
            default -> random.nextLong();
        };
    }

    private void anyMessage() {
        if (random.nextInt(20) == 0) {
            byte[] garbage = new byte[1 + random.nextInt(40)];
            random.nextBytes(garbage);
            client.raw(ByteBuffer.wrap(garbage), fds());
            return;
        }
        ByteBuffer payload = VhostUserTestClient.bytes(
                random.nextInt(8) == 0 ? random.nextInt(300) : SIZES[random.nextInt(SIZES.length)]);
        while (payload.remaining() >= 8) {
            payload.putLong(number());
        }
        payload.position(payload.limit()).flip();
        client.send(
                random.nextInt(6) == 0 ? random.nextInt() : random.nextInt(42),
                random.nextInt(10) == 0 ? random.nextInt(16) : 9,
                payload,
                fds());
    }

    private void likelyMessage() throws Exception {
        int request = REQUESTS[random.nextInt(REQUESTS.length)];
        int index = random.nextInt(16) == 0 ? random.nextInt(300) : random.nextInt(2);
        ByteBuffer payload = switch (request) {
            case Protocol.SET_FEATURES ->
                VhostUserTestClient.u64(VirtioBlk.F_VERSION_1
                        | VirtioBlk.F_PROTOCOL_FEATURES & random.nextLong()
                        | VirtioBlk.F_EVENT_IDX & random.nextLong()
                        | VirtioBlk.F_INDIRECT_DESC & random.nextLong());
            case Protocol.SET_PROTOCOL_FEATURES ->
                VhostUserTestClient.u64(Protocol.OFFERED & (random.nextLong() | Protocol.F_REPLY_ACK));
            case Protocol.SET_MEM_TABLE -> table();
            case Protocol.ADD_MEM_REG, Protocol.REM_MEM_REG ->
                VhostUserTestClient.region(number(), number(), number(), number());
            case Protocol.SET_VRING_NUM ->
                VhostUserTestClient.state(index, random.nextBoolean() ? 1 << random.nextInt(12) : random.nextInt(3000));
            case Protocol.SET_VRING_BASE, Protocol.GET_VRING_BASE, Protocol.SET_VRING_ENABLE ->
                VhostUserTestClient.state(index, random.nextInt(3));
            case Protocol.SET_VRING_ADDR ->
                random.nextBoolean()
                        ? drivers[index & 1].address()
                        : VhostUserTestClient.bytes(40)
                                .putInt(index)
                                .putInt(0)
                                .putLong(number() & -16)
                                .putLong(number() & -16)
                                .putLong(number() & -16)
                                .putLong(0)
                                .flip();
            case Protocol.SET_VRING_KICK, Protocol.SET_VRING_CALL, Protocol.SET_VRING_ERR ->
                VhostUserTestClient.u64(index | (random.nextInt(4) == 0 ? Protocol.VRING_NO_FD : 0));
            case Protocol.GET_CONFIG ->
                VhostUserTestClient.bytes(12 + index)
                        .putInt(random.nextInt(70))
                        .putInt(index)
                        .putInt(0)
                        .position(12 + index)
                        .flip();
            case Protocol.SET_CONFIG ->
                VhostUserTestClient.bytes(13)
                        .putInt(32)
                        .putInt(1)
                        .putInt(0)
                        .put((byte) random.nextInt(3))
                        .flip();
            case Protocol.GET_INFLIGHT_FD, Protocol.SET_INFLIGHT_FD ->
                region(
                        random.nextBoolean() ? inflightSize : number(),
                        random.nextInt(3) == 0 ? number() : 0,
                        index,
                        random.nextInt(1100));
            default -> VhostUserTestClient.bytes(0);
        };
        boolean table = request == Protocol.SET_MEM_TABLE;
        int[] fds = table ? new int[Math.abs(payload.getInt(0)) % 9] : fds();
        for (int i = 0; table && i < fds.length; i++) {
            fds[i] = anyFd();
        }
        client.send(request, 9, payload, fds);
    }

    private ByteBuffer table() {
        int count = random.nextInt(10);
        ByteBuffer payload =
                VhostUserTestClient.bytes(8 + 32 * count).putInt(count).putInt(0);
        for (int i = 0; i < count; i++) {
            boolean right = random.nextInt(3) > 0;
            payload.putLong(right ? GUEST + (long) i * RAM : number())
                    .putLong(right ? RAM : number())
                    .putLong(right ? VhostUserTestClient.USER + (long) i * RAM : number())
                    .putLong(right ? 0 : number());
        }
        return payload.flip();
    }

    /** Starts or stops a ring in the right way. */
    private void ringState() throws Exception {
        TestDriver driver = drivers[random.nextInt(2)];
        if (random.nextBoolean()) {
            client.send(Protocol.GET_VRING_BASE, 1, VhostUserTestClient.state(driver.index, 0));
        } else {
            driver.resetRing();
            for (int request : new int[] {Protocol.SET_VRING_NUM, Protocol.SET_VRING_BASE}) {
                client.send(
                        request,
                        1,
                        VhostUserTestClient.state(driver.index, request == Protocol.SET_VRING_NUM ? QUEUE : 0));
            }
            client.send(Protocol.SET_VRING_ADDR, 1, driver.address());
            client.send(Protocol.SET_VRING_KICK, 1, VhostUserTestClient.u64(driver.index), driver.kick);
            client.send(Protocol.SET_VRING_ENABLE, 1, VhostUserTestClient.state(driver.index, 1));
        }
    }

    /** A request that is right, whatever the ring has become. */
    private void request() {
        TestDriver driver = drivers[random.nextInt(2)];
        int slot = random.nextInt(TestDriver.SLOTS);
        int length = random.nextBoolean() ? 512 * (1 + random.nextInt(32)) : random.nextInt(0xf000);
        long sector = random.nextInt(8) == 0 ? number() : random.nextInt(4096);
        if (driver.freeDescriptors() < 8) {
            driver.forgetAll();
        }
        driver.io(slot, TYPES[random.nextInt(TYPES.length)], sector, length, random.nextBoolean());
        driver.kickAlways();
    }

    private void hostileRing() {
        TestDriver driver = drivers[random.nextInt(2)];
        long table = driver.at(driver.descriptorTable());
        for (int i = random.nextInt(QUEUE); i >= 0; i--) {
            long address = random.nextBoolean()
                    ? driver.guest(driver.slot(random.nextInt(8)) + random.nextInt(TestDriver.SLOT))
                    : number();
            driver.descriptor(
                    table,
                    random.nextInt(QUEUE),
                    address,
                    random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(5000),
                    random.nextInt(16) == 0 ? random.nextInt() : random.nextInt(8),
                    random.nextInt(QUEUE + 1));
        }
        if (random.nextInt(4) == 0) {
            driver.availIdx += random.nextInt(3) - 1;
        }
        driver.expose(random.nextInt(20) == 0 ? random.nextInt(70000) : random.nextInt(QUEUE));
        driver.kickAlways();
    }

    private void truncate() {
        TestMemory memory = memories.get(random.nextInt(memories.size()));
        if (random.nextInt(3) == 0) {
            Libc.ftruncate(memory.fd, random.nextInt(5) == 0 ? 1L << random.nextInt(47) : random.nextInt(RAM));
        } else {
            Libc.ftruncate(memory.fd, RAM);
        }
        if (inflightFd != -1 && random.nextInt(8) == 0) {
            Libc.ftruncate(inflightFd, random.nextBoolean() ? inflightSize : 0);
        }
    }

    private void scribbleSomewhere() {
        if (inflightFd != -1 && random.nextBoolean()) {
            scribble(inflightFd, inflightSize);
        } else {
            TestDriver driver = drivers[random.nextInt(2)];
            long at = driver.at(driver.descriptorTable()) + random.nextInt(0x5400);
            Memory.putByte(at, (byte) random.nextInt());
        }
    }

    private void scribble(int fd, long size) {
        Memory.putLong(scratch.address() + 64, random.nextBoolean() ? 1 : random.nextLong());
        for (int i = random.nextInt(20); i >= 0; i--) {
            Libc.pwrite(
                    fd,
                    scratch.address() + 64,
                    1 + random.nextInt(8),
                    random.nextInt((int) Math.min(size, 1 << 20)) & -random.nextInt(9));
        }
    }

    private void descriptors() {
        int fd = anyFd();
        switch (random.nextInt(4)) {
            case 0 -> Libc.fcntl(fd, Libc.F_SETFL, random.nextBoolean() ? Libc.O_NONBLOCK : 0);
            case 1 -> {
                // drained, if it is an eventfd that does not make this side wait
                Libc.fcntl(drivers[0].kick, Libc.F_SETFL, Libc.O_NONBLOCK);
                drivers[0].readEvent(drivers[0].kick);
                Libc.fcntl(drivers[0].kick, Libc.F_SETFL, 0);
            }
            case 2 -> {
                // full, which takes this side half a second to get out of: not too often
                if (random.nextInt(EVENT_FULL_ODDS / 48) == 0) {
                    Libc.fcntl(drivers[1].call, Libc.F_SETFL, Libc.O_NONBLOCK);
                    Memory.putLong(scratch.address() + 64, -2);
                    Libc.write(drivers[1].call, scratch.address() + 64, 8);
                    Libc.fcntl(drivers[1].call, Libc.F_SETFL, 0);
                }
            }
            default -> client.send(Protocol.SET_VRING_CALL, 9, VhostUserTestClient.u64(random.nextInt(2)), fd);
        }
    }

    @Override
    public void close() {
        client.close();
        for (TestDriver driver : drivers) {
            driver.close();
        }
        memories.forEach(TestMemory::close);
        others.forEach(Libc::close);
        if (inflightFd != -1) {
            Libc.close(inflightFd);
        }
        scratch.close();
    }
}
