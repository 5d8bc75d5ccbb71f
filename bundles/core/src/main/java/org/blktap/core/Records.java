package org.blktap.core;

import java.io.IOException;
import java.io.Reader;
import java.io.StringWriter;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.WholeFile;

/**
 * The attachments as files, one each, {@code <id>.cfg} with properties: what a restart attaches again. A record is
 * complete under its name or not there at all, also after a power cut.
 */
final class Records {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final String SUFFIX = ".cfg";
    private static final String COMMENT = "attached by blktap; edit while the daemon is stopped";
    /** Suffix of an empty file beside the record of an attachment that an operator has parked. */
    private static final String PARKED = ".parked";
    /** Suffix of an empty file beside the record of an attachment whose VM has yet to see a failed flush. */
    private static final String OWES_ERROR = ".flush-failed";

    private final Path directory;

    Records(Path directory) {
        this.directory = directory;
    }

    /**
     * What is kept of an attachment.
     *
     * @param known what the VM knows of its disk; null if it was never recorded
     * @param parked whether an operator has parked it
     * @param owesError whether a flush has failed of which no VM knows
     * @param rebase what is to be done before the disk is opened; null for nothing
     */
    record Kept(AttachRequest request, DiskShape known, boolean parked, boolean owesError, Rebase rebase) {}

    /** The record of one attachment; nothing is written once it has been removed. Thread-safe. */
    final class Entry {
        private final String id;
        private boolean removed;
        private Rebase rebase;
        /** Whether the last write has failed, so that what is on disk may not be what the attachment is. */
        private boolean outdated;

        private Entry(String id, Rebase rebase) {
            this.id = id;
            this.rebase = rebase;
        }

        /** Sets what a restart does before it opens the disk; the next write has it. */
        synchronized void rebasing(Rebase first) {
            rebase = first;
        }

        synchronized Rebase rebase() {
            return rebase;
        }

        synchronized void write(AttachRequest request, DiskShape known) throws DiskException {
            if (!removed) {
                outdated = true;
                uninterrupted(() -> {
                    Records.this.write(id, request, known, rebase);
                });
                outdated = false;
            }
        }

        /**
         * Writes the record, if the last write has failed. If that cannot be done, a record that names the image will
         * do.
         *
         * @throws DiskException and the record names another image: this one must not be written
         */
        synchronized void update(AttachRequest request, DiskShape known) throws DiskException {
            if (!outdated) {
                return;
            }
            try {
                write(request, known);
            } catch (DiskException e) {
                if (!names(id, request.spec().toString())) {
                    throw e;
                }
                LOG.log(Level.ERROR, id + ": a restart would try a change of its image again: " + e.getMessage());
            }
        }

        /**
         * Prepares a write, so that the rest of it takes little time.
         *
         * @param first what a restart does before it opens the disk; null for nothing
         */
        synchronized PreparedRecord prepare(AttachRequest request, DiskShape known, Rebase first) throws DiskException {
            try {
                Files.createDirectories(directory);
                return new PreparedRecord(
                        this, WholeFile.prepare(file(id), text(properties(request, known, first), COMMENT)), first);
            } catch (IOException e) {
                throw DiskException.io(file(id), "write the record of the attachment", e);
            }
        }

        private synchronized void commit(WholeFile.Prepared prepared, Rebase first) throws DiskException {
            if (!removed) {
                outdated = true;
                uninterrupted(() -> {
                    try {
                        prepared.commit();
                    } catch (IOException e) {
                        throw DiskException.io(file(id), "write the record of the attachment", e);
                    }
                });
                outdated = false;
                rebase = first;
            }
        }

        /** Keeps in mind whether an operator has parked it: a restart must not open a disk that is being worked on. */
        synchronized void park(boolean parked) throws DiskException {
            if (!removed) {
                uninterrupted(() -> {
                    mark(id + PARKED, parked);
                });
            }
        }

        /** Keeps in mind that a flush has failed of which no VM knows: the next life of the daemon must report it. */
        synchronized void oweError(boolean owed) throws DiskException {
            if (!removed) {
                uninterrupted(() -> {
                    mark(id + OWES_ERROR, owed);
                });
            }
        }

        /** Whether the attachment is being detached. */
        synchronized boolean isRemoved() {
            return removed;
        }

        synchronized void remove() throws DiskException {
            if (!removed) {
                uninterrupted(() -> {
                    Records.this.remove(id);
                    removed = true;
                });
            }
        }
    }

    /** A record that is on disk, and not in force yet. One at a time for each attachment. */
    static final class PreparedRecord implements AutoCloseable {
        private final Entry entry;
        private final WholeFile.Prepared file;
        private final Rebase first;

        private PreparedRecord(Entry entry, WholeFile.Prepared file, Rebase first) {
            this.entry = entry;
            this.file = file;
            this.first = first;
        }

        /** Writes it, in place of the record there is, unless that has been removed. */
        void commit() throws DiskException {
            entry.commit(file, first);
        }

        /** Forgets it, if it is not in force. */
        @Override
        public void close() {
            file.close();
        }
    }

    /** Writes a record also where the attachment's operation is being interrupted, which would close the file. */
    private static void uninterrupted(LoopCalls.Action action) throws DiskException {
        boolean interrupted = Thread.interrupted();
        try {
            action.run();
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** The record of a new attachment. */
    Entry entry(String id) {
        return new Entry(id, null);
    }

    /** The record of an attachment that is kept. */
    Entry entry(Kept kept) {
        return new Entry(kept.request().id(), kept.rebase());
    }

    private void write(String id, AttachRequest request, DiskShape known, Rebase rebase) throws DiskException {
        write(id, properties(request, known, rebase));
    }

    /** What a record of an attachment says. */
    static Properties properties(AttachRequest request, DiskShape known, Rebase rebase) {
        Properties properties = new Properties();
        properties.setProperty("spec", request.spec().toString());
        properties.setProperty("read-only", Boolean.toString(request.readOnly()));
        if (known != null) {
            properties.setProperty("disk.size", Long.toString(known.sizeBytes()));
            properties.setProperty("disk.sector-size", Integer.toString(known.blockSize()));
            properties.setProperty("disk.read-only", Boolean.toString(known.readOnly()));
            properties.setProperty("disk.identity", known.identity());
        }
        if (rebase != null) {
            properties.setProperty("rebase.overlay", rebase.overlay().toString());
            properties.setProperty(
                    "rebase.backing",
                    rebase.backing() == null ? "" : rebase.backing().toString());
            properties.setProperty("rebase.types", rebase.types());
        }
        for (int i = 0; i < request.nodes().size(); i++) {
            properties.setProperty("node." + i, request.nodes().get(i));
        }
        for (int i = 0; i < request.filters().size(); i++) {
            properties.setProperty("filter." + i, request.filters().get(i));
        }
        request.options().forEach((key, value) -> properties.setProperty("option." + key, value));
        return properties;
    }

    /** Writes a record; for an attachment that runs, its entry does. */
    void write(String id, Properties properties) throws DiskException {
        try {
            Files.createDirectories(directory);
            WholeFile.write(file(id), text(properties, COMMENT));
        } catch (IOException e) {
            throw DiskException.io(file(id), "write the record of the attachment", e);
        }
    }

    /** Properties as a file has them. */
    static byte[] text(Properties properties, String comment) throws IOException {
        StringWriter text = new StringWriter();
        properties.store(text, comment);
        return FileNames.escaped(text.toString()).getBytes(StandardCharsets.UTF_8);
    }

    /** Whether there is a record of an attachment, and its image is this one. */
    boolean names(String id, String spec) {
        try (Reader reader = Files.newBufferedReader(file(id), StandardCharsets.UTF_8)) {
            Properties properties = new Properties();
            properties.load(reader);
            return properties.getProperty("spec", "").equals(spec);
        } catch (IOException | IllegalArgumentException e) {
            return false;
        }
    }

    /** Makes or removes an empty file. */
    private void mark(String name, boolean present) throws DiskException {
        Path marker = directory.resolve(name);
        try {
            if (present) {
                Files.createDirectories(directory);
                WholeFile.write(marker, new byte[0]);
            } else {
                WholeFile.remove(marker);
            }
        } catch (IOException e) {
            throw DiskException.io(marker, "record the state of the attachment", e);
        }
    }

    private void remove(String id) throws DiskException {
        mark(id + PARKED, false);
        mark(id + OWES_ERROR, false);
        try {
            WholeFile.forget(file(id));
            WholeFile.remove(file(id));
        } catch (IOException e) {
            throw DiskException.io(file(id), "remove the record of the attachment", e);
        }
    }

    /** All records, by id; one that cannot be read is logged and left. */
    List<Kept> readAll() {
        List<Kept> all = new ArrayList<>();
        if (!Files.isDirectory(directory)) {
            return all;
        }
        TreeSet<Path> files = new TreeSet<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(directory, "*" + SUFFIX)) {
            WholeFile.removeUnfinished(directory);
            stream.forEach(files::add);
        } catch (IOException e) {
            LOG.log(Level.ERROR, directory + ": cannot list the attachments: " + e);
        }
        for (Path file : files) {
            try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
                Properties properties = new Properties();
                properties.load(reader);
                String name = file.getFileName().toString();
                all.add(kept(name.substring(0, name.length() - SUFFIX.length()), properties));
            } catch (IOException | IllegalArgumentException | DiskException e) {
                LOG.log(Level.ERROR, file + ": not a record of an attachment, and left alone: " + e.getMessage());
            }
        }
        return all;
    }

    private Kept kept(String id, Properties properties) throws DiskException {
        String size = properties.getProperty("disk.size");
        DiskShape known = size == null
                ? null
                : new DiskShape(
                        Long.parseLong(size),
                        Integer.parseInt(properties.getProperty("disk.sector-size", "512")),
                        Boolean.parseBoolean(properties.getProperty("disk.read-only")),
                        properties.getProperty("disk.identity", ""));
        return new Kept(
                request(id, properties),
                known,
                Files.exists(directory.resolve(id + PARKED)),
                Files.exists(directory.resolve(id + OWES_ERROR)),
                rebase(properties));
    }

    private static Rebase rebase(Properties properties) throws DiskException {
        String overlay = properties.getProperty("rebase.overlay");
        if (overlay == null) {
            return null;
        }
        String backing = properties.getProperty("rebase.backing", "");
        return new Rebase(
                TapSpec.parse(overlay),
                backing.isEmpty() ? null : TapSpec.parse(backing),
                properties.getProperty("rebase.types", ""));
    }

    private static AttachRequest request(String id, Properties properties) throws DiskException {
        List<String> nodes = listed(properties, "node.");
        Map<String, String> options = new LinkedHashMap<>();
        for (String key : new TreeSet<>(properties.stringPropertyNames())) {
            if (key.startsWith("option.")) {
                options.put(key.substring("option.".length()), properties.getProperty(key));
            }
        }
        return new AttachRequest(
                TapSpec.parse(properties.getProperty("spec", "")),
                id,
                nodes,
                Boolean.parseBoolean(properties.getProperty("read-only")),
                options,
                listed(properties, "filter."));
    }

    private static List<String> listed(Properties properties, String prefix) {
        List<String> all = new ArrayList<>();
        for (int i = 0; properties.getProperty(prefix + i) != null; i++) {
            all.add(properties.getProperty(prefix + i));
        }
        return all;
    }

    private Path file(String id) {
        return directory.resolve(id + SUFFIX);
    }
}
