package org.blktap.core;

import java.io.IOException;
import java.io.Reader;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import java.util.UUID;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.PinnedFile;
import org.blktap.linux.WholeFile;

/**
 * A file that makes one change of the records of several attachments. It first says what files are about to get a name,
 * so that a restart removes them; then, in one step, what all records are from now on, so that a restart writes those
 * that were not written yet. It is removed when they are.
 */
final class SnapshotJournal {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    /** The extended attribute of a file that such a journal names: only a file with it is removed. */
    static final String ATTRIBUTE = "user.blktap.snapshot";

    private static final String SUFFIX = ".journal";
    private static final String COMMENT = "a snapshot of blktap that is being taken";

    private final Records records;
    private final Path file;
    private final String mark;
    /** What {@link #commit} puts in force; null before. */
    private WholeFile.Prepared prepared;

    /**
     * The change of one attachment.
     *
     * @param before the image that its record names
     * @param after what its record is to be
     * @param known what its VM knows
     */
    record Change(TapSpec before, AttachRequest after, DiskShape known) {}

    private SnapshotJournal(Records records, Path directory, String mark) {
        this.records = records;
        this.mark = mark;
        file = directory.resolve(mark + SUFFIX);
    }

    /** A new one, not written yet. */
    static SnapshotJournal create(Records records, Path directory) throws DiskException {
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw DiskException.io(directory, "make the directory of snapshots", e);
        }
        return new SnapshotJournal(records, directory, UUID.randomUUID().toString());
    }

    /** What its files carry as {@link #ATTRIBUTE}. */
    String mark() {
        return mark;
    }

    /** Writes that files are about to be made. */
    void prepare(List<Path> overlays) throws DiskException {
        Properties properties = new Properties();
        for (int i = 0; i < overlays.size(); i++) {
            properties.setProperty("overlay." + i, FileNames.text(overlays.get(i)));
        }
        write(properties);
    }

    /** Prepares {@link #commit}, so that little of it is left to do while requests wait. */
    void prepareCommit(List<Change> changes) throws DiskException {
        Properties properties = new Properties();
        for (int i = 0; i < changes.size(); i++) {
            Change change = changes.get(i);
            properties.setProperty("overlay." + i, change.after().spec().path());
            properties.setProperty("attachment." + i, change.after().id());
            properties.setProperty("before." + i, change.before().toString());
            Properties record = Records.properties(change.after(), change.known(), null);
            for (String key : record.stringPropertyNames()) {
                properties.setProperty("record." + i + "." + key, record.getProperty(key));
            }
        }
        try {
            prepared = WholeFile.prepare(file, Records.text(properties, COMMENT));
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /** Writes that all records change: from here on, a restart has the overlays. */
    void commit() throws DiskException {
        try {
            prepared.commit();
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private DiskException failed(IOException e) {
        return DiskException.io(file, "write the journal of the snapshot", e);
    }

    private void write(Properties properties) throws DiskException {
        try {
            WholeFile.write(file, Records.text(properties, COMMENT));
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /** All is as it says, or undone. */
    void remove() {
        try {
            WholeFile.forget(file);
            WholeFile.remove(file);
        } catch (IOException e) {
            LOG.log(Level.ERROR, file + ": cannot be removed; a restart will look at it once more: " + e);
        }
    }

    /** Ends what a killed daemon has left unfinished, before attachments are restored. */
    static void settle(Path directory, Records records) {
        if (!Files.isDirectory(directory)) {
            return;
        }
        TreeSet<Path> files = new TreeSet<>();
        try {
            WholeFile.removeUnfinished(directory);
        } catch (IOException e) {
            LOG.log(Level.WARNING, directory + ": cannot be rid of journals that were being written: " + e);
        }
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(directory, "*" + SUFFIX)) {
            stream.forEach(files::add);
        } catch (IOException e) {
            LOG.log(Level.ERROR, directory + ": cannot list the snapshots that were not finished: " + e);
        }
        for (Path each : files) {
            String name = each.getFileName().toString();
            SnapshotJournal journal =
                    new SnapshotJournal(records, directory, name.substring(0, name.length() - SUFFIX.length()));
            try (Reader reader = Files.newBufferedReader(each, StandardCharsets.UTF_8)) {
                Properties properties = new Properties();
                properties.load(reader);
                journal.finish(properties);
                journal.remove();
            } catch (IOException | IllegalArgumentException | DiskException e) {
                LOG.log(
                        Level.ERROR,
                        each + ": a snapshot that cannot be finished, and is left alone: " + e.getMessage());
            }
        }
    }

    private void finish(Properties properties) throws DiskException {
        boolean forward = properties.containsKey("attachment.0");
        for (int i = 0; forward && properties.getProperty("attachment." + i) != null; i++) {
            // it was undone after all, if the journal could not be written to the end
            forward = exists(properties.getProperty("overlay." + i))
                    || !exists(
                            TapSpec.parse(properties.getProperty("before." + i)).path());
        }
        for (int i = 0; properties.getProperty("overlay." + i) != null; i++) {
            if (forward) {
                rollForward(properties, i);
            } else {
                rollBack(FileNames.path(properties.getProperty("overlay." + i)));
            }
        }
    }

    private void rollForward(Properties properties, int i) throws DiskException {
        String id = properties.getProperty("attachment." + i);
        if (records.names(id, properties.getProperty("before." + i))) {
            String prefix = "record." + i + ".";
            Properties record = new Properties();
            for (String key : properties.stringPropertyNames()) {
                if (key.startsWith(prefix)) {
                    record.setProperty(key.substring(prefix.length()), properties.getProperty(key));
                }
            }
            records.write(id, record);
            LOG.log(
                    Level.INFO,
                    id + ": has " + record.getProperty("spec") + ": a snapshot that was interrupted is finished");
        }
    }

    private void rollBack(Path overlay) throws DiskException {
        if (isThere(overlay)) {
            NewFiles.removeIf(overlay, any -> true);
            LOG.log(Level.INFO, FileNames.text(overlay) + ": removed; its snapshot was interrupted");
        }
    }

    /** Without the image of before either, the storage is not there yet, and the journal is right. */
    private static boolean exists(String path) {
        return Files.exists(FileNames.path(path), LinkOption.NOFOLLOW_LINKS);
    }

    /** Whether a file is there, and is the one that this snapshot has made. */
    private boolean isThere(Path overlay) throws DiskException {
        try (PinnedFile found = PinnedFile.ofName(overlay)) {
            byte[] marked = found.attribute(ATTRIBUTE);
            if (marked == null || !Arrays.equals(marked, mark.getBytes(StandardCharsets.US_ASCII))) {
                LOG.log(
                        Level.WARNING,
                        FileNames.text(overlay) + ": may be left over from a snapshot that was interrupted;"
                                + " it has no mark of it, and stays");
                return false;
            }
            return true;
        } catch (DiskException e) {
            if (e.reason() == DiskException.Reason.NOT_FOUND) {
                return false;
            }
            throw e;
        }
    }
}
