package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.net.Inet6Address;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.memory.Memory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ServiceManagerTest {
    private static final int BYTES = 4096;

    @TempDir
    Path directory;

    private Mapping memory;
    private Path path;
    private int socket;

    @BeforeEach
    void listen() {
        memory = Mapping.anonymous(BYTES);
        path = directory.resolve("notify");
        byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
        Memory.putShort(memory.address(), (short) Libc.AF_UNIX);
        for (int i = 0; i < name.length; i++) {
            Memory.putByte(memory.address() + 2 + i, name[i]);
        }
        socket = Libc.socket(Libc.AF_UNIX, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0);
        assertEquals(0, Libc.bind(socket, memory.address(), 110));
    }

    @AfterEach
    void close() {
        Libc.close(socket);
        memory.close();
    }

    private String next() {
        int length = (int) Libc.recv(socket, memory.address(), BYTES, Libc.MSG_DONTWAIT);
        if (length < 0) {
            return "nothing";
        }
        byte[] text = new byte[length];
        memory.bytes(0, length).get(text);
        return new String(text, StandardCharsets.UTF_8);
    }

    @Test
    void messagesAreThoseOfSdNotify() {
        ServiceManager manager = new ServiceManager(path.toString());
        AtomicInteger due = new AtomicInteger();
        manager.whenReady(due::incrementAndGet);
        assertEquals(0, due.get());
        manager.ready("a\nb");
        assertEquals("READY=1\nSTATUS=a b", next());
        assertEquals(1, due.get());
        manager.whenReady(due::incrementAndGet);
        assertEquals(2, due.get());
        manager.reloading();
        assertTrue(next().matches("RELOADING=1\nMONOTONIC_USEC=\\d+"));
        manager.ready("c");
        assertEquals("READY=1\nSTATUS=c", next());
        assertEquals(2, due.get());
        manager.stopping();
        assertEquals("STOPPING=1\nSTATUS=detaching", next());
    }

    @Test
    void withoutAManagerNothingIsSent() {
        for (String each : new String[] {null, "", "relative", "/" + "x".repeat(200)}) {
            ServiceManager manager = new ServiceManager(each);
            assertFalse(manager.present());
            manager.ready("a");
        }
        // one that is gone
        new ServiceManager(directory.resolve("none").toString()).ready("a");
        assertEquals("nothing", next());
    }

    @Test
    void aSocketIsKeptUntilItIsOfNoUseOrTheDaemonEnds() throws Exception {
        ServiceManager manager = new ServiceManager(path.toString());
        KeptSockets kept = new KeptSockets(manager, 0, 0);
        Path listening = directory.resolve("a.sock");
        UnixListener first = UnixListener.openKept(listening, 0600, null, kept);
        assertFalse(first.isInherited());
        String stored = next();
        assertTrue(stored.matches("FDSTORE=1\nFDPOLL=0\nFDNAME=listen-[0-9a-f]{8}"), stored);
        String name = stored.substring(stored.indexOf("FDNAME="));
        Files.delete(listening);
        assertTrue(first.restore());
        assertEquals("FDSTOREREMOVE=1\n" + name, next());
        assertEquals(stored, next());
        first.close();
        assertEquals("FDSTOREREMOVE=1\n" + name, next());
        assertFalse(Files.exists(listening));

        UnixListener second = UnixListener.openKept(listening, 0600, null, kept);
        assertEquals(stored, next());
        manager.stopping();
        next();
        second.close();
        assertEquals("nothing", next());
        assertTrue(Files.exists(listening));
    }

    /** A socket of an earlier process has the mode that this one wants, also if that is stricter. */
    @Test
    void aKeptSocketAdmitsNobodyElse() throws Exception {
        ServiceManager manager = new ServiceManager(path.toString());
        Path listening = directory.resolve("a.sock");
        // its file stays, as that of a killed process
        UnixListener earlier = UnixListener.open(listening, 0666, null);
        KeptSockets next = new KeptSockets(manager, Libc.dup(earlier.fd()), 1);
        try (UnixListener listener = UnixListener.openKept(listening, 0600, null, next)) {
            assertTrue(listener.isInherited());
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(listening)));
        }
    }

    /** One address may be there on each of several interfaces. */
    @Test
    void aKeptSocketIsKnownByItsInterfaceToo() throws Exception {
        Inet6Address address = NetworkInterface.networkInterfaces()
                .flatMap(NetworkInterface::inetAddresses)
                .filter(each -> each instanceof Inet6Address && each.isLinkLocalAddress())
                .map(Inet6Address.class::cast)
                .findFirst()
                .orElse(null);
        assumeTrue(address != null, "no link-local address");
        int port;
        int fd;
        try (ServerSocket free = new ServerSocket(0, 1, address)) {
            port = free.getLocalPort();
        }
        fd = Libc.socket(Libc.AF_INET6, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0);
        // struct sockaddr_in6
        for (int i = 0; i < 28; i++) {
            Memory.putByte(memory.address() + i, (byte) 0);
        }
        Memory.putShort(memory.address(), (short) Libc.AF_INET6);
        Memory.putShort(memory.address() + 2, Short.reverseBytes((short) port));
        for (int i = 0; i < 16; i++) {
            Memory.putByte(memory.address() + 8 + i, address.getAddress()[i]);
        }
        Memory.putInt(memory.address() + 24, address.getScopeId());
        assertEquals(0, Libc.bind(fd, memory.address(), 28));
        assertEquals(0, Libc.listen(fd, 1));
        KeptSockets kept = new KeptSockets(new ServiceManager(path.toString()), fd, 1);
        assertEquals(-1, kept.takeTcp(address, address.getScopeId() + 1, port));
        assertEquals(-1, kept.takeTcp(address, 0, port));
        assertEquals(fd, kept.takeTcp(address, address.getScopeId(), port));
        Libc.close(fd);
    }

    @Test
    void theWatchdogIsFedWhileLoopsAnswer() throws Exception {
        CountDownLatch blocked = new CountDownLatch(1);
        CountDownLatch goes = new CountDownLatch(1);
        try (EpollLoop one = EpollLoop.start("one", Runnable::run, () -> 0);
                EpollLoop two = EpollLoop.start("two", Runnable::run, () -> 0);
                EpollLoop three = EpollLoop.start("three", Runnable::run, () -> 0)) {
            one.execute(() -> {
                blocked.countDown();
                try {
                    goes.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            blocked.await();
            long nanos = TimeUnit.SECONDS.toNanos(10);
            long later = System.nanoTime() + 2 * nanos;
            two.call(() -> null);
            three.call(() -> null);
            while (two.busySince() != 0 || three.busySince() != 0) {
                Thread.onSpinWait();
            }
            assertTrue(Watchdog.answer(List.of(one, two, three), System.nanoTime(), nanos, true));
            assertTrue(Watchdog.answer(List.of(one, two, three), later, nanos, false));
            assertFalse(Watchdog.answer(List.of(one, two, three), later, nanos, true));
            assertFalse(Watchdog.answer(List.of(one, two), later, nanos, false));
            assertFalse(Watchdog.answer(List.of(one), later, nanos, false));
            assertTrue(Watchdog.answer(List.of(), later, nanos, true));
            EpollLoop ended = EpollLoop.start("ended", Runnable::run, () -> 0);
            ended.close();
            assertFalse(
                    Watchdog.answer(List.of(one, ended, ended), later, nanos, false),
                    "those that have ended do not count");
            goes.countDown();
        }
    }
}
