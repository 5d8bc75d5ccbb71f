package org.blktap.shell.tapctl;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;

/**
 * The numbers by which tap-ctl knows disks. As tapdisk's, each is a file {@code tapdisk/tapdisk-<minor>} of the control
 * directory, and so outlives the daemon. A disk that was opened by tap-ctl is the attachment {@code tap-<minor>}, whose
 * number and pid are in its record, too; one that was attached otherwise is given a number when it is first looked at.
 */
final class Minors {
    /** MAX_ID of tapdisk (include/blktap.h). */
    static final int LIMIT = 16384;

    private static final Pattern FILE = Pattern.compile("tapdisk-(0|[1-9][0-9]{0,4})");
    private static final Pattern ID = Pattern.compile("tap-(0|[1-9][0-9]{0,4})");
    private static final Pattern SOCKET = Pattern.compile("/nbd([0-9]{1,10})\\.[0-9]+$");
    private static final FileAttribute<Set<PosixFilePermission>> FILE_MODE = mode("rw-------");
    private static final FileAttribute<Set<PosixFilePermission>> DIRECTORY_MODE = mode("rwx--x--x");
    /** Calls are a thread each. */
    private static final Object LOCK = new Object();

    private final Path control;
    private final long daemon;

    /**
     * One number.
     *
     * @param pid that its socket's name has; 0 if it is only reserved
     * @param disk what is attached under it, or null
     */
    record Minor(int number, long pid, AttachmentStatus disk) {}

    /** @param daemon our own pid */
    Minors(Path control, long daemon) {
        this.control = control;
        this.daemon = daemon;
    }

    private static FileAttribute<Set<PosixFilePermission>> mode(String text) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text));
    }

    /** The attachment that tap-ctl makes. */
    static String id(int minor) {
        return "tap-" + minor;
    }

    long daemon() {
        return daemon;
    }

    /**
     * The socket where clients look for the NBD server of a disk; tapback and QEMU's arguments are made of the same.
     */
    Path socket(long pid, int minor) {
        return control.resolve("nbd" + pid + "." + minor);
    }

    Path file(int minor) {
        return control.resolve("tapdisk").resolve("tapdisk-" + minor);
    }

    /** Looks and acts in one step: no other call changes numbers meanwhile. Not for what waits for a VM or a disk. */
    void inOneStep(Taps.Work work) throws Exception {
        synchronized (LOCK) {
            work.run();
        }
    }

    /** All, in order. */
    List<Minor> list(Attachments attachments) throws DiskException {
        synchronized (LOCK) {
            // asked here: of what was attached since, another list may have made the file, which this one would remove
            List<AttachmentStatus> attached = attachments.list();
            Map<Integer, Marker> markers = markers();
            Map<Integer, Minor> all = new TreeMap<>();
            Map<String, Integer> given = new HashMap<>();
            markers.values()
                    .forEach(marker -> given.putIfAbsent(marker.id() == null ? "" : marker.id(), marker.minor()));
            List<AttachmentStatus> others = new ArrayList<>();
            for (AttachmentStatus disk : attached) {
                Matcher ours = ID.matcher(disk.id());
                int number = ours.matches() ? Integer.parseInt(ours.group(1)) : LIMIT;
                if (number < LIMIT) {
                    all.put(number, ours(number, markers.get(number), disk));
                } else {
                    others.add(disk);
                }
            }
            for (AttachmentStatus disk : others) {
                Integer number = given.get(disk.id());
                if (number == null || all.containsKey(number)) {
                    number = reserve(all.keySet());
                    write(new Marker(number, 0, disk.id()));
                }
                all.put(number, new Minor(number, daemon, disk));
            }
            for (Marker marker : markers.values()) {
                if (!all.containsKey(marker.minor())) {
                    if (marker.id() == null) {
                        all.put(marker.minor(), new Minor(marker.minor(), marker.pid(), null));
                    } else {
                        // its attachment has gone
                        remove(marker.minor());
                    }
                }
            }
            return List.copyOf(all.values());
        }
    }

    /** A disk of tap-ctl's; its file is made again if the host's restart has removed it. */
    private Minor ours(int number, Marker marker, AttachmentStatus disk) throws DiskException {
        if (marker != null && marker.pid() != 0) {
            return new Minor(number, marker.pid(), disk);
        }
        for (AttachmentStatus.Node node : disk.nodes()) {
            Matcher socket = SOCKET.matcher(node.address());
            if (socket.find()) {
                write(new Marker(number, Long.parseLong(socket.group(1)), null));
                return new Minor(number, Long.parseLong(socket.group(1)), disk);
            }
        }
        // its node is not open yet, or is another's
        return new Minor(number, daemon, disk);
    }

    private Map<Integer, Marker> markers() throws DiskException {
        Map<Integer, Marker> markers = new TreeMap<>();
        Path directory = control.resolve("tapdisk");
        if (!Files.isDirectory(directory)) {
            return markers;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "tapdisk-*")) {
            for (Path file : files) {
                Matcher name = FILE.matcher(file.getFileName().toString());
                if (name.matches() && Integer.parseInt(name.group(1)) < LIMIT) {
                    int minor = Integer.parseInt(name.group(1));
                    markers.put(minor, Marker.read(file, minor));
                }
            }
        } catch (IOException e) {
            throw DiskException.io(directory, "list the minors", e);
        }
        return markers;
    }

    /** Takes the lowest that is free; its file is made. */
    int allocate(Attachments attachments) throws DiskException {
        synchronized (LOCK) {
            return reserve(list(attachments).stream().map(Minor::number).toList());
        }
    }

    private int reserve(java.util.Collection<Integer> taken) throws DiskException {
        try {
            Files.createDirectories(control.resolve("tapdisk"), DIRECTORY_MODE);
            for (int minor = 0; minor < LIMIT; minor++) {
                if (!taken.contains(minor) && make(file(minor))) {
                    return minor;
                }
            }
        } catch (IOException e) {
            throw DiskException.io(control, "reserve a minor", e);
        }
        throw new DiskException(DiskException.Reason.NO_SPACE, control + ": all " + LIMIT + " minors are taken");
    }

    private static boolean make(Path file) throws IOException {
        try {
            Files.createFile(file, FILE_MODE);
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        }
    }

    /** Binds a number to a pid, or with 0 lets it go, reserved. */
    void bind(int minor, long pid) throws DiskException {
        synchronized (LOCK) {
            write(new Marker(minor, pid, null));
        }
    }

    private void write(Marker marker) throws DiskException {
        try {
            Files.createDirectories(control.resolve("tapdisk"), DIRECTORY_MODE);
            marker.write(file(marker.minor()));
        } catch (IOException e) {
            throw DiskException.io(file(marker.minor()), "note what the minor is", e);
        }
    }

    /**
     * What was open under a number is closed: it is bound and no more, unless somebody has released or taken it
     * meanwhile.
     */
    void closed(Minor at) throws DiskException {
        synchronized (LOCK) {
            Marker now = markers().get(at.number());
            boolean ours = id(at.number()).equals(at.disk().id());
            boolean same = now == null
                    ? !ours
                    : now.pid() == at.pid() || at.disk().id().equals(now.id());
            if (same) {
                write(new Marker(at.number(), at.pid(), null));
            }
        }
    }

    /** Releases a number. */
    void remove(int minor) throws DiskException {
        synchronized (LOCK) {
            try {
                Files.delete(file(minor));
            } catch (NoSuchFileException e) {
                throw new DiskException(DiskException.Reason.NOT_FOUND, "no minor " + minor);
            } catch (IOException e) {
                throw DiskException.io(file(minor), "give the minor back", e);
            }
        }
    }
}
