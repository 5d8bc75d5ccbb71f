package org.blktap.events;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.api.event.Event;

/**
 * The history on disk: lines of JSON in {@code current}, and before them those in {@code earlier}, which is replaced
 * when {@code current} is full. Appended events survive the end of the process. A power failure may lose the last
 * events; numbers then continue far beyond theirs, so that none is given twice. One thread.
 */
final class EventFile implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.events");
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");
    /**
     * Numbers that are skipped after a restart of the host: more than the events that can be lost from the page cache.
     */
    private static final long SKIPPED_AT_BOOT = 100_000;

    private static final String BOOT = "boot";

    private final Path current;
    private final Path earlier;
    private final String boot;
    private FileChannel channel;
    private int lines;
    private boolean failed;
    private long next = 1;

    EventFile(Path directory) {
        this(directory, bootId());
    }

    EventFile(Path directory, String boot) {
        current = directory.resolve("current");
        earlier = directory.resolve("earlier");
        this.boot = boot;
    }

    private static String bootId() {
        try {
            return Files.readString(BOOT_ID).strip();
        } catch (IOException e) {
            return "";
        }
    }

    /** Reads the events in order of their numbers, and opens the file for more. */
    List<Event> open() {
        List<Event> found = new ArrayList<>();
        String lastBoot = read(earlier, boot, found);
        lines = 0;
        lastBoot = read(current, lastBoot, found);
        if (!found.isEmpty()) {
            next = found.get(found.size() - 1).sequence() + 1 + (lastBoot.equals(boot) ? 0 : SKIPPED_AT_BOOT);
        }
        try {
            Files.createDirectories(
                    current.getParent(),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            openCurrent();
        } catch (IOException e) {
            failed(e);
        }
        return found;
    }

    /** The number of the next event. */
    long next() {
        return next;
    }

    /** @return the boot under which its last line was written */
    private String read(Path file, String before, List<Event> into) {
        String lastBoot = before;
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            return lastBoot;
        }
        // damaged characters are replaced
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                lines++;
                Map<String, Object> object = EventJson.object(line);
                Event event = object == null ? null : EventJson.event(object);
                if (object != null && object.get(BOOT) instanceof String id) {
                    lastBoot = id;
                } else if (event != null
                        && (into.isEmpty()
                                || event.sequence() > into.get(into.size() - 1).sequence())) {
                    into.add(event);
                }
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, file + ": a part of the history of events cannot be read: " + e);
        }
        return lastBoot;
    }

    private void openCurrent() throws IOException {
        channel = FileChannel.open(
                current,
                Set.of(
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.APPEND,
                        LinkOption.NOFOLLOW_LINKS),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        // the previous line may be incomplete
        write((channel.size() == 0 ? "" : "\n") + EventJson.line(Map.of(BOOT, boot)) + "\n");
    }

    /**
     * Appends events.
     *
     * @param most lines after which the file is replaced
     */
    void append(Collection<Event> events, int most) {
        StringBuilder text = new StringBuilder();
        for (Event each : events) {
            text.append(EventJson.line(each)).append('\n');
            next = each.sequence() + 1;
        }
        try {
            if (channel == null || failed) {
                close();
                openCurrent();
            }
            if (lines >= most) {
                close();
                Files.move(current, earlier, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
                lines = 0;
                openCurrent();
            }
            write(text.toString());
            lines += events.size();
            failed = false;
        } catch (IOException e) {
            failed(e);
        }
    }

    private void failed(IOException e) {
        if (!failed) {
            LOG.log(Level.WARNING, current + ": events are not written, and a restart forgets them: " + e.getMessage());
        }
        failed = true;
    }

    private void write(String text) throws IOException {
        for (ByteBuffer rest = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)); rest.hasRemaining(); ) {
            channel.write(rest);
        }
    }

    @Override
    public void close() {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            LOG.log(Level.DEBUG, current + ": cannot be closed: " + e);
        }
        channel = null;
    }
}
