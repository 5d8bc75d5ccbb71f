package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class UnixListenerTest {
    @TempDir
    Path directory;

    private static String mode(Path path) throws Exception {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }

    private static void refused(Reason reason, String word, org.junit.jupiter.api.function.Executable what) {
        DiskException e = assertThrows(DiskException.class, what);
        assertEquals(reason, e.reason(), e.getMessage());
        assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    @Test
    void modeAndRemoval() throws Exception {
        Path path = directory.resolve("a.sock");
        try (UnixListener first = UnixListener.open(path, 0600, null)) {
            assertEquals("rw-------", mode(path));
            refused(Reason.EXISTS, path.toString(), () -> UnixListener.open(path, 0600, null));
            assertEquals(path, first.path());
        }
        assertFalse(Files.exists(path));
        try (UnixListener open = UnixListener.open(
                path,
                0666,
                Files.readAttributes(directory, java.nio.file.attribute.PosixFileAttributes.class)
                        .group()
                        .getName())) {
            assertEquals("rw-rw-rw-", mode(path));
            // the path is another's by now: it is left alone
            Files.delete(path);
            Files.createFile(path);
            assertTrue(open.fd() >= 0);
        }
        assertTrue(Files.exists(path));
    }

    /** Who can write in the directory swaps the socket for a link, so that the mode would be another file's. */
    @Test
    void modeAndGroupAreThoseOfTheSocketOnly() throws Exception {
        Path secret = Files.createFile(
                Files.createDirectory(directory.resolve("outside")).resolve("secret"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Path path = directory.resolve("c.sock");
        Path link = directory.resolve("link");
        AtomicBoolean stop = new AtomicBoolean();
        Thread swapper = new Thread(() -> {
            while (!stop.get()) {
                try {
                    Files.deleteIfExists(link);
                    Files.createSymbolicLink(link, secret);
                    if (Files.exists(path, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
                        Files.move(link, path, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
                    }
                    Files.deleteIfExists(path);
                } catch (java.io.IOException e) {
                    // the other was faster
                }
            }
        });
        swapper.setName("swapper");
        swapper.start();
        try {
            for (int i = 0; i < 2000; i++) {
                try {
                    UnixListener.open(path, 0666, null).close();
                } catch (DiskException e) {
                    // what the swapper is for
                }
                assertEquals("rw-------", mode(secret));
            }
        } finally {
            stop.set(true);
            swapper.join();
        }
    }

    @Test
    void aSocketLeftBehindIsReplaced() throws Exception {
        Path path = directory.resolve("b.sock");
        UnixListener killed = UnixListener.open(path, 0600, null);
        Libc.close(Libc.dup(killed.fd()));
        Libc.shutdown(killed.fd(), Libc.SHUT_RDWR);
        Libc.close(killed.fd());
        assertTrue(Files.exists(path));
        try (UnixListener next = UnixListener.open(path, 0600, null)) {
            assertEquals("rw-------", mode(next.path()));
        }
    }

    @Test
    void whatIsNoStaleSocketIsNotTouched() throws Exception {
        Path file = Files.writeString(directory.resolve("file"), "x");
        refused(Reason.EXISTS, file.toString(), () -> UnixListener.open(file, 0600, null));
        assertEquals("x", Files.readString(file));
        Path link = Files.createSymbolicLink(directory.resolve("link"), directory.resolve("nowhere"));
        refused(Reason.EXISTS, "link", () -> UnixListener.open(link, 0600, null));
        assertTrue(Files.isSymbolicLink(link));
        refused(Reason.NOT_FOUND, "none", () -> UnixListener.open(directory.resolve("none/a.sock"), 0600, null));
        refused(Reason.BAD_OPTION, "107", () -> UnixListener.open(directory.resolve("x".repeat(108)), 0600, null));
        refused(Reason.BAD_OPTION, "nosuchgroup", () -> UnixListener.open(directory.resolve("g"), 0600, "nosuchgroup"));
        assertFalse(Files.exists(directory.resolve("g")));
    }

    @Test
    void aDeletedSocketIsMadeAgain() throws Exception {
        Path path = directory.resolve("c.sock");
        try (UnixListener listener = UnixListener.open(path, 0660, null)) {
            assertFalse(listener.restore());
            int fd = listener.fd();
            Files.delete(path);
            assertTrue(listener.restore());
            assertEquals(fd, listener.fd());
            assertEquals("rw-rw----", mode(path));
            try (java.nio.channels.SocketChannel client =
                    java.nio.channels.SocketChannel.open(java.net.UnixDomainSocketAddress.of(path))) {
                int accepted = listener.accept();
                assertTrue(accepted >= 0 && client.isConnected());
                Libc.close(accepted);
            }
            // something else in its place is not taken away
            Files.delete(path);
            Files.createFile(path);
            refused(Reason.EXISTS, "no socket", listener::restore);
        }
        assertTrue(Files.exists(path));
    }

    @Test
    void accessIsWhatIsAskedForAndElseWhatSettingsSay() throws Exception {
        SocketAccess settings = SocketAccess.ofSettings("0660", "kvm");
        SocketAccess nothing = SocketAccess.of(Options.none());
        assertEquals(settings, nothing.or(settings));
        assertEquals(
                new SocketAccess(0600, "kvm"),
                SocketAccess.of(new Options(Map.of("mode", "600"))).or(settings));
        assertFalse(nothing.contradicts(settings));
        assertFalse(SocketAccess.of(new Options(Map.of("group", "kvm"))).contradicts(settings));
        assertTrue(SocketAccess.of(new Options(Map.of("mode", "0600"))).contradicts(settings));
        assertTrue(SocketAccess.of(new Options(Map.of("group", "disk"))).contradicts(settings));
        for (String mode : new String[] {"", "rw", "0999", "17777", "-1"}) {
            refused(Reason.BAD_OPTION, "socket.mode", () -> SocketAccess.ofSettings(mode, ""));
            refused(Reason.BAD_OPTION, "mode", () -> SocketAccess.of(new Options(Map.of("mode", mode))));
        }
    }
}
