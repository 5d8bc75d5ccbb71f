package org.blktap.jobs;

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
import java.util.List;
import java.util.Properties;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.linux.WholeFile;

/** The records of jobs, one file each. A file exists as a whole or not at all, also after a power loss. */
class JobFiles {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    private static final String SUFFIX = ".job";

    private final Path directory;

    JobFiles(Path directory) {
        this.directory = directory;
    }

    Path directory() {
        return directory;
    }

    void write(String id, Properties record) throws DiskException {
        boolean interrupted = Thread.interrupted();
        try {
            Files.createDirectories(directory);
            StringWriter text = new StringWriter();
            record.store(text, "a job of blktap");
            synchronized (this) {
                WholeFile.write(file(id), FileNames.escaped(text.toString()).getBytes(StandardCharsets.UTF_8));
            }
        } catch (IOException e) {
            throw DiskException.io(file(id), "write the record of the job", e);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    synchronized void remove(String id) {
        try {
            WholeFile.remove(file(id));
        } catch (IOException e) {
            LOG.log(Level.WARNING, "cannot remove the record of job " + id + ": " + e);
        }
    }

    /** Reads all jobs on record; a record that cannot be read is logged and left as it is. */
    List<Job> readAll() {
        List<Job> all = new ArrayList<>();
        if (!Files.isDirectory(directory)) {
            return all;
        }
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(directory, "*" + SUFFIX)) {
            WholeFile.removeUnfinished(directory);
            for (Path file : stream) {
                String name = file.getFileName().toString();
                try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
                    Properties record = new Properties();
                    record.load(reader);
                    all.add(new Job(this, name.substring(0, name.length() - SUFFIX.length()), record));
                } catch (IOException | IllegalArgumentException e) {
                    LOG.log(Level.ERROR, file + ": not a record of a job, and left alone: " + e.getMessage());
                }
            }
        } catch (IOException e) {
            LOG.log(Level.ERROR, directory + ": cannot list the jobs: " + e);
        }
        return all;
    }

    private Path file(String id) {
        return directory.resolve(id + SUFFIX);
    }
}
