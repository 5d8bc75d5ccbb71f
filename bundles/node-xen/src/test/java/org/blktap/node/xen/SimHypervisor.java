package org.blktap.node.xen;

import java.io.IOException;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.memory.Memory;
import org.blktap.linux.LibXenGnttab;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * Xen between this process and simulated guests: maps and copies what a {@link SimGuest} has granted, and carries
 * events by eventfds.
 */
final class SimHypervisor implements Hypervisor {
    private static final int MAP_FIXED = 0x10;
    private static final int PROT_NONE = 0;

    /** What a call of copy does besides copying. */
    enum CopyCall {
        /** Each piece has its status, and the call succeeds, as Xen's does though pieces failed. */
        HONEST,
        /** Nothing is copied, and no status is written. */
        FAILS,
        /** Every third piece is refused. */
        SOME_PIECES_FAIL
    }

    private final Map<Integer, SimGuest> guests = new ConcurrentHashMap<>();
    private final Set<AutoCloseable> handles = ConcurrentHashMap.newKeySet();
    private final AtomicInteger mappedPages = new AtomicInteger();
    private final AtomicInteger boundPorts = new AtomicInteger();
    private final AtomicInteger mapCalls = new AtomicInteger();
    private final AtomicInteger copyCalls = new AtomicInteger();
    volatile boolean reachesDisks = true;
    /** Pending events cannot be taken any more. */
    volatile boolean eventsBroken;

    volatile CopyCall copyCall = CopyCall.HONEST;
    /** Where pages of guests are mapped at present: the first address and the one after the last. */
    private final ConcurrentSkipListMap<Long, Long> ranges = new ConcurrentSkipListMap<>();
    /** Runs before each call of a handle; one that throws is a process that dies there. */
    volatile Runnable beforeCall = () -> {};

    volatile Runnable beforeNotify = () -> {};

    void add(SimGuest guest) {
        guests.put(guest.domain(), guest);
    }

    void remove(SimGuest guest) {
        guests.remove(guest.domain());
    }

    /** What is held at present: empty when nothing is. */
    String held() {
        int open = handles.size();
        return open + mappedPages.get() + boundPorts.get() == 0
                ? ""
                : open + " handles, " + mappedPages + " mapped pages, " + boundPorts + " bound ports";
    }

    int handles() {
        return handles.size();
    }

    int mappedPages() {
        return mappedPages.get();
    }

    /** Whether these bytes are pages of a guest that are mapped now. */
    boolean hasMapped(long address, long bytes) {
        Map.Entry<Long, Long> range = ranges.floorEntry(address);
        return range != null && bytes > 0 && address + bytes <= range.getValue();
    }

    int mapCalls() {
        return mapCalls.get();
    }

    int copyCalls() {
        return copyCalls.get();
    }

    /** The kernel cleans up behind a process that has died. */
    void closeAll() throws Exception {
        beforeCall = () -> {};
        for (AutoCloseable handle : handles) {
            handle.close();
        }
    }

    @Override
    public GrantTable openGrants() {
        beforeCall.run();
        Grants grants = new Grants();
        handles.add(grants);
        return grants;
    }

    @Override
    public EventChannels openEvents() {
        beforeCall.run();
        Events events = new Events();
        handles.add(events);
        return events;
    }

    private final class Grants implements GrantTable {
        private long[] addresses = new long[16];
        private int[] counts = new int[16];
        private int mappings;

        @Override
        public long map(int domain, long grefs, int count) {
            beforeCall.run();
            mapCalls.incrementAndGet();
            SimGuest guest = guests.get(domain);
            for (int i = 0; i < count; i++) {
                if (guest == null || guest.writablePage(Memory.getInt(grefs + 4L * i)) < 0) {
                    return 0;
                }
            }
            long address = Libc.mmap(0, 4096L * count, PROT_NONE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
            for (int i = 0; i < count; i++) {
                long page = 4096L * guest.writablePage(Memory.getInt(grefs + 4L * i));
                long at = address + 4096L * i;
                if (Libc.mmap(at, 4096, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED | MAP_FIXED, guest.fd(), page)
                        != at) {
                    throw new IllegalStateException("mmap: errno " + Libc.errno());
                }
            }
            mappedPages.addAndGet(count);
            ranges.put(address, address + 4096L * count);
            if (mappings == addresses.length) {
                addresses = java.util.Arrays.copyOf(addresses, 2 * mappings);
                counts = java.util.Arrays.copyOf(counts, 2 * mappings);
            }
            addresses[mappings] = address;
            counts[mappings++] = count;
            return address;
        }

        private void unmapped(int i) {
            ranges.remove(addresses[i]);
            Libc.munmap(addresses[i], 4096L * counts[i]);
            mappedPages.addAndGet(-counts[i]);
            addresses[i] = addresses[--mappings];
            counts[i] = counts[mappings];
        }

        @Override
        public boolean reachesDisks(long address) {
            return reachesDisks;
        }

        @Override
        public boolean copy(long pieces, int count) {
            beforeCall.run();
            copyCalls.incrementAndGet();
            if (copyCall == CopyCall.FAILS) {
                return false;
            }
            for (int i = 0; i < count; i++) {
                long piece = pieces + (long) i * LibXenGnttab.COPY_BYTES;
                int status =
                        copyCall == CopyCall.SOME_PIECES_FAIL && i % 3 == 2 ? LibXenGnttab.GNTST_EAGAIN : piece(piece);
                Memory.putShort(piece + LibXenGnttab.COPY_STATUS, (short) status);
            }
            return true;
        }

        private int piece(long piece) {
            boolean fromGuest = Memory.getShort(piece + LibXenGnttab.COPY_FLAGS) == LibXenGnttab.GNTCOPY_SOURCE_GREF;
            long foreign = piece + (fromGuest ? LibXenGnttab.COPY_SOURCE : LibXenGnttab.COPY_DEST);
            long ours = Memory.getLong(piece + (fromGuest ? LibXenGnttab.COPY_DEST : LibXenGnttab.COPY_SOURCE));
            int offset = Memory.getShort(foreign + LibXenGnttab.COPY_FOREIGN_OFFSET) & 0xffff;
            int bytes = Memory.getShort(piece + LibXenGnttab.COPY_LEN) & 0xffff;
            int gref = Memory.getInt(foreign + LibXenGnttab.COPY_FOREIGN_REF);
            SimGuest guest = guests.get(Memory.getShort(foreign + LibXenGnttab.COPY_FOREIGN_DOMID) & 0xffff);
            if (guest == null) {
                return LibXenGnttab.GNTST_BAD_DOMAIN;
            }
            if (offset + bytes > 4096) {
                return LibXenGnttab.GNTST_BAD_COPY_ARG;
            }
            if (guest.readablePage(gref) < 0) {
                return LibXenGnttab.GNTST_BAD_GNTREF;
            }
            if (!fromGuest && guest.writablePage(gref) < 0) {
                return LibXenGnttab.GNTST_PERMISSION_DENIED;
            }
            long page = guest.address(guest.readablePage(gref)) + offset;
            try {
                Memory.copy(fromGuest ? page : ours, fromGuest ? ours : page, bytes);
                Libc.getpagesize();
                return LibXenGnttab.GNTST_OKAY;
            } catch (InternalError e) {
                // its guest has taken it away
                return LibXenGnttab.GNTST_BAD_PAGE;
            }
        }

        @Override
        public void close() {
            if (!handles.remove(this)) {
                throw new AssertionError("a grant table is closed twice");
            }
            while (mappings > 0) {
                unmapped(mappings - 1);
            }
        }
    }

    private final class Events implements EventChannels {
        private final int fd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        private final Mapping word = Mapping.anonymous(4096);
        private final Set<SimGuest.Port> bound = new HashSet<>();
        private SimGuest.Port[] ports = {};

        @Override
        public int fd() {
            return fd;
        }

        @Override
        public int bind(int domain, int remotePort) throws IOException {
            beforeCall.run();
            SimGuest guest = guests.get(domain);
            SimGuest.Port port = guest == null ? null : guest.port(remotePort);
            if (port == null || !port.bind(fd)) {
                throw new IOException("event channel " + remotePort + " of domain " + domain + " cannot be bound");
            }
            bound.add(port);
            boundPorts.incrementAndGet();
            ports = java.util.Arrays.copyOf(ports, ports.length + 1);
            ports[ports.length - 1] = port;
            return ports.length - 1;
        }

        @Override
        public void take() {
            if (eventsBroken) {
                throw new java.io.UncheckedIOException(new IOException("thrown by a test"));
            }
            Libc.read(fd, word.address(), Long.BYTES);
        }

        @Override
        public void notify(int port) {
            beforeCall.run();
            beforeNotify.run();
            ports[port].raise();
        }

        @Override
        public void close() {
            if (!handles.remove(this)) {
                throw new AssertionError("event channels are closed twice");
            }
            bound.forEach(SimGuest.Port::unbind);
            boundPorts.addAndGet(-bound.size());
            Libc.close(fd);
            word.close();
        }
    }
}
