package org.blktap.node.ublk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.Printable;
import org.blktap.api.engine.Errno;
import org.blktap.linux.Libc;
import org.blktap.linux.ProcFile;

/**
 * Finds who uses a block device or its partitions: mounts, devices on top of it (device mapper, RAID), swap, processes
 * that have it open. Users in other namespaces are found only by an exclusive open, without a name.
 */
final class Holders {
    /** Of fcntl.h: with a block device, fails with EBUSY if it is mounted or otherwise claimed. */
    private static final int O_EXCL = Libc.O_EXCL;

    private Holders() {}

    /** Returns one user of the device, or null. */
    static String of(int number) {
        String name = "ublkb" + number;
        // device numbers of the disk and its partitions, by name
        Map<String, String> parts = new HashMap<>();
        try {
            addPart(parts, Path.of("/sys/block", name));
            try (DirectoryStream<Path> below = Files.newDirectoryStream(Path.of("/sys/block", name), name + "p*")) {
                for (Path each : below) {
                    addPart(parts, each);
                }
            }
            String found = mounted(parts);
            found = found == null ? above(name, parts) : found;
            found = found == null ? swap(parts) : found;
            found = found == null ? process(parts) : found;
            return found == null ? claimed(name) : found;
        } catch (IOException | DirectoryIteratorException e) {
            // there is no block device, so that nobody uses it
            return null;
        }
    }

    private static void addPart(Map<String, String> parts, Path directory) throws IOException {
        parts.put(directory.getFileName().toString(), ProcFile.read(directory.resolve("dev")));
    }

    /** Looks at the mounts of the first process, or of this one: proc(5), /proc/PID/mountinfo. */
    private static String mounted(Map<String, String> parts) throws IOException {
        for (String of : List.of("1", "self")) {
            List<String> lines;
            try {
                lines = Files.readAllLines(Path.of("/proc", of, "mountinfo"), StandardCharsets.ISO_8859_1);
            } catch (IOException e) {
                continue;
            }
            for (String line : lines) {
                String[] fields = line.split(" ");
                // a file system with a device number of its own, such as btrfs, has only the name of the device
                if (fields.length > 4
                        && (parts.containsValue(fields[2])
                                || parts.keySet().stream().anyMatch(part -> line.contains(" /dev/" + part + " ")))) {
                    return "it is mounted on " + Printable.of(fields[4]);
                }
            }
        }
        return null;
    }

    private static String above(String disk, Map<String, String> parts) {
        for (String part : parts.keySet()) {
            Path directory = part.equals(disk) ? Path.of("/sys/block", disk) : Path.of("/sys/block", disk, part);
            try (DirectoryStream<Path> holders = Files.newDirectoryStream(directory.resolve("holders"))) {
                for (Path holder : holders) {
                    return "it is part of " + holder.getFileName();
                }
            } catch (IOException | DirectoryIteratorException e) {
                // no such directory
            }
        }
        return null;
    }

    private static String swap(Map<String, String> parts) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/swaps"), StandardCharsets.ISO_8859_1)) {
            for (String part : parts.keySet()) {
                if (line.startsWith("/dev/" + part + " ") || line.startsWith("/dev/" + part + "\t")) {
                    return "it is swap space";
                }
            }
        }
        return null;
    }

    private static String process(Map<String, String> parts) throws IOException {
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path process : processes) {
                try (DirectoryStream<Path> open = Files.newDirectoryStream(process.resolve("fd"))) {
                    for (Path fd : open) {
                        if (isPart(fd, parts)) {
                            return "process " + process.getFileName() + " ("
                                    + Printable.of(ProcFile.read(process.resolve("comm"))) + ") has it open";
                        }
                    }
                } catch (IOException | DirectoryIteratorException e) {
                    // the process has ended, or may not be looked at
                }
            }
        }
        return null;
    }

    private static boolean isPart(Path fd, Map<String, String> parts) {
        try {
            Path target = Files.readSymbolicLink(fd);
            return target.startsWith("/dev")
                    && parts.containsKey(target.getFileName().toString());
        } catch (IOException e) {
            return false;
        }
    }

    private static String claimed(String name) {
        int fd = Libc.open("/dev/" + name, Libc.O_RDONLY | O_EXCL | Libc.O_CLOEXEC, 0);
        if (fd >= 0) {
            Libc.close(fd);
            return null;
        }
        return Libc.errno() == Errno.EBUSY
                ? "it is mounted, perhaps in another namespace, or part of another device"
                : null;
    }
}
