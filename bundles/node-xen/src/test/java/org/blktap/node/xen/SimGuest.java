package org.blktap.node.xen;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * A guest's memory, what of it is granted to the backend's domain, and its event channels. For the test's thread,
 * except what the hypervisor asks.
 */
final class SimGuest implements AutoCloseable {
    /** The first references are reserved in real guests. */
    private static final int FIRST_GREF = 8;

    private static final int READ_ONLY = 1 << 30;

    private final int domain;
    private final int fd;
    private final Mapping memory;
    private final ArrayDeque<Integer> freePages = new ArrayDeque<>();
    private final ArrayDeque<Integer> freeGrefs = new ArrayDeque<>();
    /** By reference: the page and 1, or 0. */
    private final AtomicIntegerArray grants;

    private volatile List<Port> ports = List.of();

    SimGuest(int domain, int pages) {
        this.domain = domain;
        fd = Libc.memfd_create("guest", Libc.MFD_CLOEXEC);
        if (fd < 0 || Libc.ftruncate(fd, 4096L * pages) != 0) {
            throw new IllegalStateException("errno " + Libc.errno());
        }
        memory = Mapping.ofFile(fd, 0, 4096L * pages);
        grants = new AtomicIntegerArray(FIRST_GREF + 2 * pages);
        for (int i = 0; i < pages; i++) {
            freePages.add(i);
        }
        for (int i = FIRST_GREF; i < grants.length(); i++) {
            freeGrefs.add(i);
        }
    }

    /** An event channel that the backend may bind. */
    static final class Port implements AutoCloseable {
        private final int number;
        private final int fd = Libc.eventfd(0, Libc.EFD_CLOEXEC);
        private final Mapping word = Mapping.anonymous(4096);
        private int backend = -1;
        private int raised;
        private int seen;

        Port(int number) {
            this.number = number;
            Memory.putLong(word.address(), 1);
        }

        int number() {
            return number;
        }

        synchronized boolean bind(int backendFd) {
            if (backend >= 0) {
                return false;
            }
            backend = backendFd;
            // as Xen does at binding: an event that came before is not lost
            notifyBackend();
            return true;
        }

        synchronized void unbind() {
            backend = -1;
        }

        /** The frontend notifies the backend. */
        synchronized void notifyBackend() {
            if (backend >= 0) {
                Libc.write(backend, word.address(), Long.BYTES);
            }
        }

        /** The backend notifies the frontend. */
        synchronized void raise() {
            raised++;
            Libc.write(fd, word.address(), Long.BYTES);
        }

        /** Whether there was a notification since this was last asked. */
        synchronized boolean taken() {
            boolean some = raised != seen;
            seen = raised;
            return some;
        }

        synchronized int raised() {
            return raised;
        }

        /** Waits for a notification. */
        void await(Mapping into) {
            Libc.read(fd, into.address(), Long.BYTES);
        }

        @Override
        public void close() {
            Libc.close(fd);
            word.close();
        }
    }

    int domain() {
        return domain;
    }

    int fd() {
        return fd;
    }

    Port newPort() {
        Port port = new Port(ports.size() + 1);
        List<Port> more = new ArrayList<>(ports);
        more.add(port);
        ports = more;
        return port;
    }

    Port port(int number) {
        List<Port> all = ports;
        return number >= 1 && number <= all.size() ? all.get(number - 1) : null;
    }

    int newPage() {
        return freePages.pop();
    }

    /** The last freed is the next given, as in real guests, so that a stale use is seen. */
    void freePage(int page) {
        freePages.push(page);
    }

    /**
     * Takes all its memory but the first pages away from whoever has it mapped, itself included. What is given back is
     * zeros.
     */
    void truncate(int pages) {
        if (Libc.ftruncate(fd, 4096L * pages) != 0) {
            throw new IllegalStateException("errno " + Libc.errno());
        }
    }

    int pages() {
        return (int) (memory.size() / 4096);
    }

    long address(int page) {
        return memory.address() + 4096L * page;
    }

    int grant(int page) {
        int gref = freeGrefs.pop();
        grants.set(gref, page + 1);
        return gref;
    }

    int grantReadOnly(int page) {
        int gref = freeGrefs.pop();
        grants.set(gref, page + 1 | READ_ONLY);
        return gref;
    }

    void revoke(int gref) {
        grants.set(gref, 0);
        freeGrefs.push(gref);
    }

    /** A reference that is not granted, and not given to anybody. */
    int badGref() {
        return grants.length() + 5;
    }

    /** The page behind a reference, or -1. */
    int readablePage(int gref) {
        return gref < 0 || gref >= grants.length() ? -1 : (grants.get(gref) & ~READ_ONLY) - 1;
    }

    int writablePage(int gref) {
        return gref < 0 || gref >= grants.length() || (grants.get(gref) & READ_ONLY) != 0 ? -1 : grants.get(gref) - 1;
    }

    @Override
    public void close() {
        ports.forEach(Port::close);
        memory.close();
        Libc.close(fd);
    }
}
