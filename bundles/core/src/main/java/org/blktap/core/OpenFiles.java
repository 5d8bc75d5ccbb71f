package org.blktap.core;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.blktap.api.engine.IoFile;
import org.blktap.linux.FileStatus;

/** The open files of one image of a chain. One thread, except where noted. */
final class OpenFiles {
    private final List<IoFile> shown = new ArrayList<>();
    private final List<Opened> opened = new ArrayList<>();
    private final List<Open> engineFiles = new CopyOnWriteArrayList<>();

    /** A file as its engine knows it. */
    private record Open(FileStatus status, IoFile file) {}

    /** A file of the image, by the path that led to it when it was opened. */
    record Opened(Path path, FileStatus status) {}

    /** Adds a file that is made for the image. */
    IoFile add(IoFile file) {
        shown.add(file);
        return file;
    }

    /**
     * Adds a file of the image that was noted.
     *
     * @param watch whoever watches it; null for nobody
     * @return the file as the driver gets it
     */
    IoFile add(FileStatus status, IoFile file, WatchedFile.Watch watch) {
        engineFiles.add(new Open(status, file));
        return add(watch == null ? file : new WatchedFile(file, watch));
    }

    /** Notes a file that is about to be opened, by the context or by the driver itself. */
    void note(Path path, FileStatus status) {
        opened.add(new Opened(path, status));
    }

    /** The files that were noted. */
    List<Opened> opened() {
        return List.copyOf(opened);
    }

    /** The file that was noted first; null if there is none. */
    Opened first() {
        return opened.isEmpty() ? null : opened.get(0);
    }

    /** Whether this very file is one of them. */
    boolean has(FileStatus status) {
        return opened.stream().anyMatch(each -> each.status().sameFile(status));
    }

    /** This very file where it is open. What writes it shares it with none that writes it, too. Any thread. */
    List<IoFile> shared(FileStatus status, boolean readOnly) {
        List<IoFile> found = new ArrayList<>();
        for (Open each : engineFiles) {
            if (each.status().sameFile(status) && (readOnly || !each.file().writable())) {
                found.add(each.file());
            }
        }
        return found;
    }

    /** Closes those that the driver was given. */
    void close() {
        shown.forEach(IoFile::close);
    }
}
