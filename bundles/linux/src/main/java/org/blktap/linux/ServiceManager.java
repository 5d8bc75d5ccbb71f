package org.blktap.linux;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;

/**
 * The service manager that has started this process, such as systemd: it gets messages of sd_notify(3), as datagrams to
 * the socket that the environment variable NOTIFY_SOCKET names. Without one nothing is sent. Any thread.
 */
public final class ServiceManager {
    private static final Logger LOG = System.getLogger("org.blktap.linux");
    // struct sockaddr_un of linux/un.h: u16 family, char path[108]
    private static final int ADDRESS_BYTES = 110;
    private static final int PATH_MAX = 108;
    private static final int CONTROL_BYTES = 24;
    private static final int MOST_TEXT = 2048;

    /** Where in the memory of a message its parts are. */
    private static final int MESSAGE = 0;

    private static final int VECTOR = MESSAGE + Libc.MSGHDR_BYTES;
    private static final int CONTROL = VECTOR + Libc.IOVEC_BYTES;
    private static final int ADDRESS = CONTROL + CONTROL_BYTES;
    private static final int TEXT = ADDRESS + 112;
    /** {@code msg_namelen} of struct msghdr. */
    private static final int MSGHDR_NAMELEN = 8;

    private static final ServiceManager OURS = new ServiceManager(System.getenv("NOTIFY_SOCKET"));

    private final byte[] address;
    private final List<Runnable> atReady = new ArrayList<>();
    private boolean ready;
    private boolean stopping;
    private boolean warned;

    /** @param socket a path, or a name in the abstract space after an at sign; null or empty for none */
    ServiceManager(String socket) {
        byte[] name = socket == null ? new byte[0] : socket.getBytes(StandardCharsets.UTF_8);
        if (name.length > 0 && name[0] == '@') {
            name[0] = 0;
        } else if (name.length == 0 || name[0] != '/') {
            name = new byte[0];
        }
        address = name.length > PATH_MAX - 1 ? new byte[0] : name;
    }

    /** The one of this process. */
    public static ServiceManager ours() {
        return OURS;
    }

    /** Whether there is one that listens. */
    public boolean present() {
        return address.length > 0;
    }

    /** Reports that the daemon is ready, with a line for people, and then runs what {@link #whenReady} was given. */
    public void ready(String status) {
        send("READY=1\n" + status(status), -1);
        List<Runnable> due;
        synchronized (this) {
            ready = true;
            due = List.copyOf(atReady);
            atReady.clear();
        }
        due.forEach(Runnable::run);
        if (this == OURS && present()) {
            KeptSockets.ours().closeUnused();
        }
    }

    /** Runs an action once the daemon is ready, on the thread that reports it; now if it is. */
    public void whenReady(Runnable action) {
        synchronized (this) {
            if (!ready) {
                atReady.add(action);
                return;
            }
        }
        action.run();
    }

    /** Reports a line for people. */
    public void report(String status) {
        send(status(status), -1);
    }

    /** Reports that the settings are read again; {@link #ready} ends that. */
    public void reloading() {
        // CLOCK_MONOTONIC, which is that of nanoTime on Linux
        send("RELOADING=1\nMONOTONIC_USEC=" + System.nanoTime() / 1000, -1);
    }

    /** Reports that the daemon ends. Sockets that are kept are not removed from now on. */
    public void stopping() {
        synchronized (this) {
            stopping = true;
        }
        send("STOPPING=1\nSTATUS=detaching", -1);
    }

    /** Whether {@link #stopping} has been reported. */
    synchronized boolean isStopping() {
        return stopping;
    }

    /** Feeds the watchdog. */
    void alive() {
        send("WATCHDOG=1", -1);
    }

    /** Has a copy of a descriptor kept over a restart. */
    void keep(int fd, String name) {
        send("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, fd);
    }

    /** Has the kept copies of a name closed. */
    void forget(String name) {
        send("FDSTOREREMOVE=1\nFDNAME=" + name, -1);
    }

    private static String status(String text) {
        return "STATUS=" + text.replaceAll("\\p{Cntrl}+", " ");
    }

    private void send(String text, int fd) {
        if (!present()) {
            return;
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(bytes.length, MOST_TEXT);
        int socket = Libc.socket(Libc.AF_UNIX, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0);
        if (socket < 0) {
            failed("no socket", Libc.errno());
            return;
        }
        try (Mapping memory = Mapping.anonymous(TEXT + length)) {
            long base = memory.address();
            Memory.putShort(base + ADDRESS, (short) Libc.AF_UNIX);
            for (int i = 0; i < address.length; i++) {
                Memory.putByte(base + ADDRESS + 2 + i, address[i]);
            }
            for (int i = 0; i < length; i++) {
                Memory.putByte(base + TEXT + i, bytes[i]);
            }
            Memory.putLong(base + VECTOR, base + TEXT);
            Memory.putLong(base + VECTOR + Libc.IOVEC_LEN, length);
            Memory.putLong(base + MESSAGE, base + ADDRESS);
            Memory.putInt(base + MESSAGE + MSGHDR_NAMELEN, 2 + address.length);
            Memory.putLong(base + MESSAGE + Libc.MSGHDR_IOV, base + VECTOR);
            Memory.putLong(base + MESSAGE + Libc.MSGHDR_IOVLEN, 1);
            if (fd >= 0) {
                Memory.putLong(base + CONTROL, Libc.CMSGHDR_BYTES + Integer.BYTES);
                Memory.putInt(base + CONTROL + Libc.CMSGHDR_LEVEL, Libc.SOL_SOCKET);
                Memory.putInt(base + CONTROL + Libc.CMSGHDR_TYPE, Libc.SCM_RIGHTS);
                Memory.putInt(base + CONTROL + Libc.CMSGHDR_BYTES, fd);
                Memory.putLong(base + MESSAGE + Libc.MSGHDR_CONTROL, base + CONTROL);
                Memory.putLong(base + MESSAGE + Libc.MSGHDR_CONTROLLEN, CONTROL_BYTES);
            }
            // a manager that does not read must not hold up the daemon
            if (Libc.sendmsg(socket, base + MESSAGE, Libc.MSG_NOSIGNAL | Libc.MSG_DONTWAIT) < 0) {
                failed("cannot be reached", Libc.errno());
            }
        } finally {
            Libc.close(socket);
        }
    }

    private synchronized void failed(String what, int errno) {
        if (!warned) {
            warned = true;
            LOG.log(Level.WARNING, "the service manager (NOTIFY_SOCKET): " + what + ": " + Errno.text(errno));
        }
    }
}
