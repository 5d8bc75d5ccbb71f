package org.blktap.linux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.Objects;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;

/**
 * A listening unix socket at a path, not blocking. Nobody can connect before its mode and group are right. Opened and
 * closed by one thread, for set-up.
 */
public final class UnixListener implements AutoCloseable {
    // struct sockaddr_un of linux/un.h: u16 family, char path[108] with its NUL
    private static final int ADDRESS_BYTES = 110;
    private static final int PATH_MAX = 107;
    private static final int BACKLOG = 128;
    // st_mode of sys/stat.h
    private static final int S_IFMT = 0xf000;
    private static final int S_IFSOCK = 0xc000;
    private static final int OWNER_ONLY = 0600;

    private final int fd;
    private final Path path;
    /** Identity of the socket's file, as it was made. */
    private Object inode;

    private int mode;
    private String group;
    /** The service manager's copies; null if none is kept over a restart. */
    private KeptSockets kept;

    private boolean inherited;

    private UnixListener(int fd, Path path, Object inode, int mode, String group) {
        this.fd = fd;
        this.path = path;
        this.inode = inode;
        this.mode = mode;
        this.group = group;
    }

    /**
     * Makes the socket and listens.
     *
     * @param mode the permission bits of the socket file; to connect takes the right to write
     * @param group its group, a name or a number, or null
     * @throws DiskException EXISTS for a path that is taken by anything but a socket without a listener
     */
    public static UnixListener open(Path path, int mode, String group) throws DiskException {
        byte[] name = FileNames.bytes(path);
        if (name.length > PATH_MAX) {
            throw Options.bad("path", FileNames.text(path), "at most " + PATH_MAX + " bytes");
        }
        GroupPrincipal owner = group == null ? null : lookup(path, group);
        try (Mapping address = Mapping.anonymous(ADDRESS_BYTES)) {
            Memory.putShort(address.address(), (short) Libc.AF_UNIX);
            for (int i = 0; i < name.length; i++) {
                Memory.putByte(address.address() + 2 + i, name[i]);
            }
            removeStale(path, address.address());
            int fd = socket(path);
            try (CloseOnFailure opened = new CloseOnFailure(() -> Libc.close(fd))) {
                // a socket's own mode becomes that of the file that bind makes
                Libc.fchmod(fd, OWNER_ONLY);
                if (Libc.bind(fd, address.address(), ADDRESS_BYTES) != 0) {
                    throw failed(path, "cannot make the socket", Libc.errno());
                }
                opened.add(() -> Libc.unlink(PinnedFile.bytes(path)));
                Object inode = admit(path, mode, owner);
                if (Libc.listen(fd, BACKLOG) != 0) {
                    throw failed(path, "cannot listen", Libc.errno());
                }
                return opened.keep(new UnixListener(fd, path, inode, mode, group));
            } catch (IOException e) {
                throw DiskException.io(path, "making the socket", e);
            }
        }
    }

    /**
     * Opens a socket that the service manager keeps while the daemon is started again: the one that an earlier process
     * has left with it, or a new one, as {@link #open} does.
     */
    public static UnixListener openKept(Path path, int mode, String group) throws DiskException {
        return openKept(path, mode, group, KeptSockets.ours());
    }

    static UnixListener openKept(Path path, int mode, String group, KeptSockets sockets) throws DiskException {
        UnixListener listener = inherited(path, mode, group, sockets.take(path));
        boolean fresh = listener == null;
        if (fresh) {
            listener = open(path, mode, group);
            sockets.keep(listener.fd);
        }
        listener.kept = sockets;
        listener.inherited = !fresh;
        return listener;
    }

    private static UnixListener inherited(Path path, int mode, String group, int fd) throws DiskException {
        if (fd < 0) {
            return null;
        }
        try (CloseOnFailure opened = new CloseOnFailure(() -> Libc.close(fd))) {
            Libc.fcntl(fd, Libc.F_SETFL, Libc.fcntl(fd, Libc.F_GETFL, 0) | Libc.O_NONBLOCK);
            // an earlier process may have given it to another group
            Object inode = admit(path, mode, group == null ? ownGroup() : lookup(path, group));
            return opened.keep(new UnixListener(fd, path, inode, mode, group));
        } catch (IOException | DiskException e) {
            // its file was removed or replaced meanwhile: no client can reach it
            System.getLogger("org.blktap.linux")
                    .log(System.Logger.Level.INFO, path + ": made anew instead of kept: " + e.getMessage());
            return null;
        }
    }

    /** Whether the socket is an earlier process's: clients may be waiting in its queue. */
    public boolean isInherited() {
        return inherited;
    }

    /**
     * Sets mode and group of the socket's own file, by a descriptor: in a directory that others may write, its name may
     * lead to any other file by now.
     *
     * @return identity of the file
     */
    private static Object admit(Path path, int mode, GroupPrincipal owner) throws DiskException, IOException {
        try (PinnedFile file = PinnedFile.ofName(path)) {
            if (!file.status().socket() || file.status().owner() != Libc.geteuid()) {
                throw new DiskException(DiskException.Reason.EXISTS, path + ": was replaced while the socket was made");
            }
            Path held = Path.of(file.magicLink());
            if (owner != null) {
                Files.getFileAttributeView(held, PosixFileAttributeView.class).setGroup(owner);
            }
            if (Libc.chmod(held.toString(), mode) != 0) {
                throw failed(path, "cannot set its mode", Libc.errno());
            }
            return file.status().inode();
        }
    }

    private static GroupPrincipal ownGroup() throws IOException {
        return Files.readAttributes(Path.of("/proc/self"), PosixFileAttributes.class)
                .group();
    }

    private static GroupPrincipal lookup(Path path, String group) throws DiskException {
        try {
            return path.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByGroupName(group);
        } catch (UserPrincipalNotFoundException e) {
            throw Options.bad("group", group, "a group of this system");
        } catch (IOException e) {
            throw DiskException.io(path, "looking for the group " + group, e);
        }
    }

    private static int socket(Path path) throws DiskException {
        int fd = Libc.socket(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, 0);
        if (fd < 0) {
            throw failed(path, "cannot make a socket", Libc.errno());
        }
        return fd;
    }

    /** Removes a socket that a daemon left behind when it was killed: one to which no connection is possible. */
    private static void removeStale(Path path, long address) throws DiskException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            int type = (Integer) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS) & S_IFMT;
            if (type != S_IFSOCK) {
                throw new DiskException(DiskException.Reason.EXISTS, path + ": exists and is no socket");
            }
        } catch (IOException e) {
            throw DiskException.io(path, "looking at it", e);
        }
        int probe = socket(path);
        try {
            if (Libc.connect(probe, address, ADDRESS_BYTES) == 0 || Libc.errno() != Errno.ECONNREFUSED) {
                throw new DiskException(DiskException.Reason.EXISTS, path + ": exists and is in use by another server");
            }
        } finally {
            Libc.close(probe);
        }
        Libc.unlink(PinnedFile.bytes(path));
    }

    private static DiskException failed(Path path, String doing, int errno) {
        DiskException.Reason reason = switch (errno) {
            case Errno.EACCES, Errno.EPERM -> DiskException.Reason.PERMISSION;
            case Errno.ENOENT -> DiskException.Reason.NOT_FOUND;
            // another process has taken the path meanwhile
            case Errno.EADDRINUSE -> DiskException.Reason.EXISTS;
            default -> DiskException.Reason.IO;
        };
        return new DiskException(reason, path + ": " + doing + ": " + Errno.text(errno));
    }

    private static Object inode(Path path) throws IOException {
        return Files.getAttribute(path, "unix:ino", LinkOption.NOFOLLOW_LINKS);
    }

    /**
     * Changes who may connect from now on. Its file must be there.
     *
     * @param to the permission bits
     * @param newGroup a name or a number; null for the group of the process
     * @throws DiskException if nothing, or not all, could be changed
     */
    public void admit(int to, String newGroup) throws DiskException {
        try {
            inode = admit(path, to, newGroup == null ? ownGroup() : lookup(path, newGroup));
        } catch (IOException e) {
            throw DiskException.io(path, "changing who may connect", e);
        }
        mode = to;
        group = newGroup;
    }

    /** The listening descriptor, this object's to close. */
    public int fd() {
        return fd;
    }

    /**
     * Makes the socket's file again if somebody has deleted it: without it no client can connect. The descriptor keeps
     * its number, but belongs to another socket then, which must be watched anew. One thread at a time.
     *
     * @return whether it was made again
     * @throws DiskException if it cannot be made, as in {@link #open}: EXISTS if something else has its path
     */
    public boolean restore() throws DiskException {
        try {
            if (Objects.equals(inode, inode(path))) {
                return false;
            }
        } catch (IOException e) {
            System.getLogger("org.blktap.linux").log(System.Logger.Level.DEBUG, path + ": gone: " + e.getMessage());
        }
        UnixListener fresh = open(path, mode, group);
        if (kept != null) {
            kept.forget(fd);
        }
        if (Libc.dup3(fresh.fd, fd, Libc.SOCK_CLOEXEC) < 0) {
            int errno = Libc.errno();
            fresh.close();
            throw failed(path, "cannot take its place", errno);
        }
        Libc.close(fresh.fd);
        inode = fresh.inode;
        if (kept != null) {
            kept.keep(fd);
        }
        return true;
    }

    /** The path of the socket. */
    public Path path() {
        return path;
    }

    /**
     * Accepts a connection, as a descriptor that does not block and is closed on exec. Returns -1 if there is none,
     * with the reason in {@link Libc#errno}.
     */
    public int accept() {
        return Libc.accept4(fd, 0, 0, Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK);
    }

    /**
     * Closes the socket, and removes its file, unless the path leads to another file by now, or the service manager
     * keeps the socket for the next process.
     */
    @Override
    public void close() {
        if (kept != null && kept.forget(fd)) {
            Libc.close(fd);
            return;
        }
        // the path first: a client that connects now finds no socket, rather than one that hangs up
        try {
            if (Objects.equals(inode, inode(path))) {
                Libc.unlink(PinnedFile.bytes(path));
            }
        } catch (IOException e) {
            System.getLogger("org.blktap.linux")
                    .log(System.Logger.Level.DEBUG, path + ": already removed by someone else: " + e.getMessage());
        }
        Libc.close(fd);
    }
}
