package org.blktap.metrics;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;

/** A listening unix socket. Nobody can connect before its mode and group are right. */
final class SocketFile implements AutoCloseable {
    private static final int BACKLOG = 16;
    /** The most bytes of a path in sockaddr_un of linux/un.h, without the NUL. */
    private static final int PATH_MAX = 107;
    /** Number of names of directories in which sockets are made: four letters and digits. */
    private static final int NAMES = 1 << 20;
    // st_mode of sys/stat.h
    private static final int S_IFMT = 0xf000;
    private static final int S_IFSOCK = 0xc000;

    private final ServerSocketChannel channel;
    private final Path path;
    private final Object key;

    private SocketFile(ServerSocketChannel channel, Path path, Object key) {
        this.channel = channel;
        this.path = path;
        this.key = key;
    }

    /**
     * Makes a socket in a directory that nobody else can enter, and gives it its name when it is complete.
     *
     * @param group name of the group; empty for the group of the process
     * @throws DiskException EXISTS if the path is anything but a socket without a listener
     */
    static SocketFile listen(Path path, int mode, String group) throws DiskException, IOException {
        if (FileNames.bytes(path).length > PATH_MAX) {
            throw Options.bad("listen", FileNames.text(path), "a path of at most " + PATH_MAX + " bytes");
        }
        checkFree(path);
        // a path as short as the socket's own, since paths of sockets are bounded
        Path directory = path.resolveSibling(
                ".m" + Integer.toString(ThreadLocalRandom.current().nextInt(NAMES), Character.MAX_RADIX));
        Files.createDirectory(
                directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Path made = directory.resolve("s");
        ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.bind(UnixDomainSocketAddress.of(made), BACKLOG);
            if (!group.isEmpty()) {
                Files.getFileAttributeView(made, PosixFileAttributeView.class)
                        .setGroup(path.getFileSystem()
                                .getUserPrincipalLookupService()
                                .lookupPrincipalByGroupName(group));
            }
            Files.setAttribute(made, "unix:mode", mode);
            Object key = key(made);
            Files.move(made, path, StandardCopyOption.ATOMIC_MOVE);
            return new SocketFile(channel, path, key);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        } finally {
            Files.deleteIfExists(made);
            Files.delete(directory);
        }
    }

    /** A socket that a killed daemon has left is replaced; anything else that has the name stays. */
    private static void checkFree(Path path) throws DiskException, IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        int type = (Integer) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS) & S_IFMT;
        if (type != S_IFSOCK) {
            throw new DiskException(DiskException.Reason.EXISTS, path + ": exists and is no socket");
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            probe.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException e) {
            return;
        }
        throw new DiskException(DiskException.Reason.EXISTS, path + ": exists and is in use by another server");
    }

    private static Object key(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
    }

    SocketChannel accept() throws IOException {
        return channel.accept();
    }

    Path path() {
        return path;
    }

    @Override
    public void close() throws IOException {
        channel.close();
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS) && Objects.equals(key, key(path))) {
            Files.delete(path);
        }
    }
}
