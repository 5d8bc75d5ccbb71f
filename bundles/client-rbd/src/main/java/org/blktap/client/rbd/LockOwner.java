package org.blktap.client.rbd;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The process that has the lock of an image, as it has written to the image's metadata. The cluster notices only after
 * half a minute that a client has died; with this record, the next process on the same host notices at once.
 *
 * @param address of its connection, by which the lock names it
 * @param host the running kernel, and the namespace in which the number of the process is valid
 * @param process its number, and its start in ticks since that of the host
 */
record LockOwner(String address, String host, String process) {
    /** The key in the image's metadata. */
    static final String KEY = "blktap_lock_owner";

    private static final Path PROC = Path.of("/proc");
    /** Field 22 of /proc/PID/stat, counted after the name in brackets, which is field 2. */
    private static final int START_TIME = 22 - 3;

    /** Returns this process. */
    static LockOwner self(String address) throws IOException {
        return new LockOwner(
                address, thisHost(), processOf(ProcessHandle.current().pid()));
    }

    /** Reads a result of {@link #text}; returns null for anything else. */
    static LockOwner parse(String text) {
        String[] parts = text.split(" ");
        return parts.length == 3 ? new LockOwner(parts[0], parts[1], parts[2]) : null;
    }

    String text() {
        return address + " " + host + " " + process;
    }

    /** Whether the process ran on this host and has ended; false if that is not known. */
    boolean isDead() {
        try {
            if (!host.equals(thisHost())) {
                return false;
            }
            String[] parts = process.split("/");
            long number = Long.parseLong(parts[0]);
            return number > 0 && !process.equals(processOf(number));
        } catch (IOException | NumberFormatException e) {
            return false;
        }
    }

    private static String thisHost() throws IOException {
        return Files.readString(PROC.resolve("sys/kernel/random/boot_id")).strip() + "/"
                + Files.readSymbolicLink(PROC.resolve("self/ns/pid"));
    }

    /** Returns number and start of a process; empty if there is none. */
    private static String processOf(long number) throws IOException {
        Path stat = PROC.resolve(number + "/stat");
        if (!Files.exists(stat)) {
            return "";
        }
        // a name may contain any character, also a bracket
        String[] fields = Files.readString(stat).replaceAll("(?s).*\\) ", "").split(" ");
        return number + "/" + fields[START_TIME];
    }
}
