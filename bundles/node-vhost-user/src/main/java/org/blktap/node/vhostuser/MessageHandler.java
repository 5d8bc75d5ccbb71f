package org.blktap.node.vhostuser;

import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;

/** Applies each message ("Front-end message types" of the vhost-user text) to one client's device. */
final class MessageHandler implements AutoCloseable {
    /**
     * All features that any disk may have: a client may return with features that it negotiated before a driver was
     * replaced.
     */
    private static final long FEATURES_KNOWN = VirtioBlk.F_SEG_MAX
            | VirtioBlk.F_RO
            | VirtioBlk.F_BLK_SIZE
            | VirtioBlk.F_FLUSH
            | VirtioBlk.F_TOPOLOGY
            | VirtioBlk.F_CONFIG_WCE
            | VirtioBlk.F_MQ
            | VirtioBlk.F_DISCARD
            | VirtioBlk.F_WRITE_ZEROES
            | VirtioBlk.F_INDIRECT_DESC
            | VirtioBlk.F_EVENT_IDX
            | VirtioBlk.F_PROTOCOL_FEATURES
            | VirtioBlk.F_VERSION_1;

    private static final int NO_REPLY = -1;

    private final VirtioBlkDevice device;
    private final FrontendSocket socket;
    private long protocolFeatures;
    /** Notifies the client to read the configuration again; null if it has set up no channel for that. */
    private Doorbell configChange;
    /** Bytes of the reply to the current message, or {@link #NO_REPLY}. */
    private int replyBytes;

    MessageHandler(VirtioBlkDevice device, FrontendSocket socket) {
        this.device = device;
        this.socket = socket;
    }

    long protocolFeatures() {
        return protocolFeatures;
    }

    /** Whether the current message asks for a reply. */
    boolean wantsAck() {
        return socket.needsReply() && (protocolFeatures & Protocol.F_REPLY_ACK) != 0;
    }

    /** Whether the current message may be handled only while nothing is in flight. */
    boolean needsQuiet() {
        return switch (socket.request()) {
            case Protocol.SET_MEM_TABLE,
                    Protocol.REM_MEM_REG,
                    Protocol.GET_VRING_BASE,
                    Protocol.SET_VRING_NUM,
                    Protocol.SET_VRING_BASE,
                    Protocol.SET_INFLIGHT_FD,
                    Protocol.RESET_DEVICE -> true;
            default -> false;
        };
    }

    /**
     * Handles the current message, and answers it.
     *
     * @return false if the answer could not be sent
     * @throws ProtocolException if it cannot be handled, with the reason; it is not answered yet
     */
    boolean handle() throws ProtocolException {
        replyBytes = NO_REPLY;
        int passed = obey();
        if (replyBytes == NO_REPLY) {
            return !wantsAck() || acknowledge(0);
        }
        boolean sent = socket.sendReply(replyBytes, passed);
        if (passed != -1) {
            Libc.close(passed);
        }
        return sent;
    }

    /** Answers with a status: 0 for success. */
    boolean acknowledge(long status) {
        Memory.putLong(socket.reply(), status);
        return socket.sendReply(Long.BYTES, -1);
    }

    /** Handles the message. Returns a descriptor to send along with the reply, or -1. */
    private int obey() throws ProtocolException {
        switch (socket.request()) {
            case Protocol.GET_FEATURES -> reply(BlkConfig.features(device.port().info()));
            case Protocol.SET_FEATURES -> setFeatures();
            case Protocol.SET_OWNER, Protocol.RESET_OWNER -> {
                // one client owns the device as long as it is connected; RESET_OWNER is deprecated and to be ignored
            }
            case Protocol.GET_PROTOCOL_FEATURES -> reply(Protocol.OFFERED);
            case Protocol.SET_PROTOCOL_FEATURES ->
                protocolFeatures = known(u64(), Protocol.OFFERED, "protocol features");
            case Protocol.GET_QUEUE_NUM -> reply(device.queues().length);
            case Protocol.SET_BACKEND_REQ_FD -> setBackendFd();
            case Protocol.GET_CONFIG -> getConfig();
            case Protocol.SET_CONFIG -> setConfig();
            case Protocol.SET_MEM_TABLE -> setMemTable();
            case Protocol.GET_MAX_MEM_SLOTS -> reply(Protocol.MEMORY_SLOTS);
            case Protocol.ADD_MEM_REG -> addMemReg();
            case Protocol.REM_MEM_REG -> removeMemReg();
            case Protocol.SET_VRING_NUM -> vringState().size(u32(Protocol.VRING_STATE_NUM));
            case Protocol.SET_VRING_BASE -> vringState().base(u32(Protocol.VRING_STATE_NUM));
            case Protocol.SET_VRING_ADDR -> setVringAddr();
            case Protocol.GET_VRING_BASE -> getVringBase();
            case Protocol.SET_VRING_ENABLE -> vringState().enabled(u32(Protocol.VRING_STATE_NUM) != 0);
            case Protocol.SET_VRING_KICK -> vringOfFd().kick(vringFd());
            case Protocol.SET_VRING_CALL -> vringOfFd().call(vringFd());
            case Protocol.SET_VRING_ERR -> vringOfFd().err(vringFd());
            case Protocol.GET_INFLIGHT_FD -> {
                return getInflight();
            }
            case Protocol.SET_INFLIGHT_FD -> setInflight();
            case Protocol.RESET_DEVICE -> device.reset();
            default -> throw new ProtocolException("not known here");
        }
        return -1;
    }

    // ---- payloads

    private void expect(boolean right, String expected) throws ProtocolException {
        if (!right) {
            throw new ProtocolException("a payload of " + socket.size() + " bytes with " + socket.fdCount()
                    + " descriptors, expected " + expected);
        }
    }

    private int u32(int offset) {
        return Memory.getInt(socket.payload() + offset);
    }

    private long payloadLong(int offset) {
        return Memory.getLong(socket.payload() + offset);
    }

    private long u64() throws ProtocolException {
        expect(socket.size() == Long.BYTES, "8 bytes");
        return Memory.getLong(socket.payload());
    }

    private void reply(long value) {
        Memory.putLong(socket.reply(), value);
        replyBytes = Long.BYTES;
    }

    private static long known(long asked, long offered, String what) throws ProtocolException {
        if ((asked & ~offered) != 0) {
            throw new ProtocolException(what + " 0x" + Long.toHexString(asked & ~offered) + " were not offered");
        }
        return asked;
    }

    private int neededFd() throws ProtocolException {
        int fd = socket.takeFd(0);
        expect(fd != -1, "a descriptor");
        return fd;
    }

    private VirtioBlkQueue queue(int index) throws ProtocolException {
        if (index < 0 || index >= device.queues().length) {
            throw new ProtocolException("queue " + Integer.toUnsignedString(index) + " of " + device.queues().length
                    + ": attach with the option queues=N, or give the client as many queues as this node has");
        }
        return device.queues()[index];
    }

    /** Returns the queue of a message with a vring state: u32 index, u32 num. */
    private VirtioBlkQueue vringState() throws ProtocolException {
        expect(socket.size() == Protocol.VRING_STATE_BYTES, "8 bytes");
        return queue(u32(0));
    }

    private VirtioBlkQueue vringOfFd() throws ProtocolException {
        return queue((int) (u64() & Protocol.VRING_INDEX_MASK));
    }

    private int vringFd() throws ProtocolException {
        return (u64() & Protocol.VRING_NO_FD) != 0 ? -1 : neededFd();
    }

    // ---- features and configuration

    private void setFeatures() throws ProtocolException {
        device.features(known(u64(), FEATURES_KNOWN, "features"));
        for (VirtioBlkQueue queue : device.queues()) {
            queue.start();
        }
    }

    private void setBackendFd() throws ProtocolException {
        int fd = neededFd();
        closeBackendFd();
        // u32 request, u32 flags, and u32 0, the size of its payload
        long message = Protocol.BACKEND_CONFIG_CHANGE | (long) Protocol.VERSION << 32;
        configChange = Doorbell.ofMessages(
                fd,
                device.calls(),
                Protocol.HEADER_BYTES,
                message,
                "its descriptor is neither a unix socket nor a pipe");
    }

    private void getConfig() throws ProtocolException {
        int bytes = configBytes();
        int offset = u32(0);
        byte[] config = BlkConfig.of(device.port().info(), device.queues().length, device.writeback());
        Memory.copy(socket.payload(), socket.reply(), Protocol.CONFIG_HEADER);
        for (int i = 0; i < bytes; i++) {
            int at = offset + i;
            Memory.putByte(socket.reply() + Protocol.CONFIG_HEADER + i, at < config.length ? config[at] : 0);
        }
        replyBytes = Protocol.CONFIG_HEADER + bytes;
    }

    private void setConfig() throws ProtocolException {
        int bytes = configBytes();
        int offset = u32(0);
        int value = Memory.getByte(socket.payload() + Protocol.CONFIG_HEADER);
        if (offset != BlkConfig.WRITEBACK || bytes != 1 || (value & ~1) != 0) {
            throw new ProtocolException("bytes " + offset + "+" + bytes
                    + " of the configuration, expected 0 or 1 in byte " + BlkConfig.WRITEBACK + " (writeback)");
        }
        device.writeback(value == 1);
    }

    /** Returns the length in a configuration message, after a check of offset and length. */
    private int configBytes() throws ProtocolException {
        expect(socket.size() > Protocol.CONFIG_HEADER, "more than 12 bytes");
        int offset = u32(0);
        int bytes = u32(Protocol.CONFIG_SIZE);
        expect(bytes == socket.size() - Protocol.CONFIG_HEADER, "12 bytes and as many as it names");
        if (offset < 0 || offset > Protocol.CONFIG_MAX - bytes) {
            throw new ProtocolException("offset " + Integer.toUnsignedString(offset) + " of the configuration");
        }
        return bytes;
    }

    /**
     * Called when the disk has another size: notifies the client to read the configuration again, if it has set up a
     * channel for that.
     */
    void configChanged() {
        long needed = Protocol.F_BACKEND_REQ | Protocol.F_CONFIG;
        if (configChange != null && (protocolFeatures & needed) == needed) {
            configChange.ring();
        }
    }

    // ---- memory

    private void setMemTable() throws ProtocolException {
        expect(socket.size() >= Protocol.REGION_TABLE_HEADER, "8 bytes at least");
        int count = u32(0);
        // the payload may be longer than the regions: User-Mode Linux always sends room for two
        expect(
                count >= 0
                        && count <= Protocol.TABLE_REGIONS
                        && socket.fdCount() == count
                        && socket.size() >= Protocol.REGION_TABLE_HEADER + count * Protocol.REGION_BYTES,
                "up to 8 regions of 32 bytes with a descriptor each");
        GuestMemory guest = device.guest();
        guest.close();
        try {
            for (int i = 0; i < count; i++) {
                long at = socket.payload() + Protocol.REGION_TABLE_HEADER + (long) i * Protocol.REGION_BYTES;
                guest.add(MemoryRegion.map(at, socket.peekFd(i), device.memoryShare()));
            }
        } finally {
            remapRings();
        }
    }

    private void addMemReg() throws ProtocolException {
        expect(socket.size() == Protocol.SINGLE_REGION_BYTES && socket.fdCount() == 1, "40 bytes and a descriptor");
        if (device.guest().count() >= Protocol.MEMORY_SLOTS) {
            throw new ProtocolException("more than " + Protocol.MEMORY_SLOTS + " memory regions");
        }
        device.guest()
                .add(MemoryRegion.map(
                        socket.payload() + Protocol.SINGLE_REGION, socket.peekFd(0), device.memoryShare()));
    }

    private void removeMemReg() throws ProtocolException {
        expect(socket.size() == Protocol.SINGLE_REGION_BYTES, "40 bytes");
        device.guest().remove(socket.payload() + Protocol.SINGLE_REGION);
        remapRings();
    }

    private void remapRings() {
        for (VirtioBlkQueue queue : device.queues()) {
            queue.remap();
        }
    }

    // ---- rings

    private void setVringAddr() throws ProtocolException {
        expect(socket.size() == Protocol.VRING_ADDR_BYTES, "40 bytes");
        VirtioBlkQueue queue = queue(u32(0));
        if (u32(Protocol.VRING_ADDR_FLAGS) != 0) {
            throw new ProtocolException(
                    "flags 0x" + Integer.toHexString(u32(Protocol.VRING_ADDR_FLAGS)) + ": writes are not logged here");
        }
        queue.place(
                payloadLong(Protocol.VRING_ADDR_DESCRIPTORS),
                payloadLong(Protocol.VRING_ADDR_AVAIL),
                payloadLong(Protocol.VRING_ADDR_USED));
    }

    private void getVringBase() throws ProtocolException {
        VirtioBlkQueue queue = vringState();
        int index = u32(0);
        queue.stop();
        Memory.putInt(socket.reply(), index);
        Memory.putInt(socket.reply() + Protocol.VRING_STATE_NUM, queue.base());
        replyBytes = Protocol.VRING_STATE_BYTES;
    }

    // ---- in-flight records

    private void expectInflight() throws ProtocolException {
        expect(
                socket.size() == Protocol.INFLIGHT_BYTES || socket.size() == Protocol.INFLIGHT_BYTES_UNPADDED,
                "24 bytes");
    }

    private int u16(int offset) {
        return Memory.getShort(socket.payload() + offset) & 0xffff;
    }

    private int getInflight() throws ProtocolException {
        expectInflight();
        InflightRegion.Made made = InflightRegion.make(
                u16(Protocol.INFLIGHT_QUEUES), device.queues().length, u16(Protocol.INFLIGHT_QUEUE_SIZE));
        made.region().writeback(device.writeback());
        Memory.copy(socket.payload(), socket.reply(), socket.size());
        Memory.putLong(socket.reply(), made.region().size());
        Memory.putLong(socket.reply() + Protocol.INFLIGHT_OFFSET, 0);
        Memory.putShort(socket.reply() + Protocol.INFLIGHT_QUEUE_SIZE, (short)
                made.region().queueSize());
        replyBytes = socket.size();
        // the client returns it with SET_INFLIGHT_FD
        made.region().close();
        return made.fd();
    }

    private void setInflight() throws ProtocolException {
        expectInflight();
        expect(socket.fdCount() == 1, "a descriptor");
        if (device.anyStarted()) {
            throw new ProtocolException("a ring is started: expected the region before all rings");
        }
        device.inflight(InflightRegion.given(
                socket.peekFd(0),
                Memory.getLong(socket.payload()),
                payloadLong(Protocol.INFLIGHT_OFFSET),
                u16(Protocol.INFLIGHT_QUEUES),
                device.queues().length,
                u16(Protocol.INFLIGHT_QUEUE_SIZE),
                device.memoryShare()));
    }

    private void closeBackendFd() {
        if (configChange != null) {
            configChange.close();
            configChange = null;
        }
    }

    @Override
    public void close() {
        closeBackendFd();
    }
}
