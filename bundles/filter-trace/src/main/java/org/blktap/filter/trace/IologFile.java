package org.blktap.filter.trace;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.blktap.api.disk.Operation;

/** Writes a trace that fio replays with {@code --read_iolog}: "Trace file format v3" of its manual. */
final class IologFile implements AutoCloseable {
    /** The file that fio opens; {@code --replay_redirect} names another. */
    private static final String DISK = "disk";

    private static final long NANOS_PER_MICRO = 1000;

    private final BufferedWriter out;
    private long lastMicros;
    private long count;
    private long without;

    /** @throws IOException if the file exists, or cannot be made */
    IologFile(Path file) throws IOException {
        out = Files.newBufferedWriter(
                file, StandardCharsets.US_ASCII, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        out.write("fio version 3 iolog\n0 " + DISK + " add\n0 " + DISK + " open\n");
    }

    void add(long[] recorded) throws IOException {
        IOException[] failure = new IOException[1];
        Recording.each(recorded, (nanos, operation, offset, length) -> {
            try {
                write(nanos / NANOS_PER_MICRO, operation, offset, length);
            } catch (IOException e) {
                failure[0] = e;
            }
        });
        if (failure[0] != null) {
            throw failure[0];
        }
    }

    private void write(long micros, Operation operation, long offset, long length) throws IOException {
        String action = switch (operation) {
            case READ -> "read";
            case WRITE, WRITE_ZEROES -> "write";
            case DISCARD -> "trim";
            case FLUSH -> "sync";
            case MAP -> null;
        };
        if (action == null) {
            // fio has no such operation
            without++;
            return;
        }
        lastMicros = Math.max(lastMicros, micros);
        out.write(lastMicros + " " + DISK + " " + action + " " + offset + " " + length + "\n");
        count++;
    }

    long count() {
        return count;
    }

    /** Returns the number of maps, which fio cannot replay and the trace does not have. */
    long without() {
        return without;
    }

    @Override
    public void close() throws IOException {
        try (out) {
            out.write(lastMicros + " " + DISK + " close\n");
        }
    }
}
