package org.blktap.jobs.bitmap;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.linux.WholeFile;

/**
 * The files of bitmaps, {@code <id>/<name>} and {@code <id>/<name>+}. Each file is open at most once, and shared by all
 * users. Any thread; methods may block.
 */
final class BitmapStore {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    private static final int CLOSE_SECONDS = 30;

    private final Path directory;
    private final Map<Path, TrackedBitmap> held = new HashMap<>();
    /**
     * Bitmaps of which a use is being ended, or that are being written to the device, one entry for each; others wait
     * for these.
     */
    private final Queue<Path> closing = new ConcurrentLinkedQueue<>();
    /** Ends uses for callers that must not wait. */
    private final ExecutorService releasing =
            new ThreadPoolExecutor(0, 1, 1, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
                Thread thread = new Thread(task, "blktap-bitmaps");
                thread.setDaemon(true);
                return thread;
            });

    BitmapStore(Path directory) {
        this.directory = directory;
    }

    /** Waits until all uses that {@link #releaseSoon} was called for have ended. */
    void awaitReleases() throws InterruptedException, ExecutionException {
        releasing.submit(() -> {}).get();
    }

    /** Waits, within a limit, until all uses that {@link #releaseSoon} was called for have ended; accepts no more. */
    void close() {
        releasing.shutdown();
        try {
            if (!releasing.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
                LOG.log(Level.WARNING, "bitmaps are still being written; after a power loss they will be stale");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Opens all bitmaps of a disk. All other files of the attachment are deleted. */
    synchronized List<TrackedBitmap> openForDisk(String id, BitmapSettings settings, long diskBytes, ImageBitmaps image)
            throws DiskException {
        prepare(id);
        removeUnfinished(directory.resolve(id));
        List<TrackedBitmap> all = new ArrayList<>();
        try (CloseOnFailure opened = new CloseOnFailure(() -> all.forEach(this::release))) {
            for (String name : settings.names()) {
                TrackedBitmap found = held.get(file(id, name));
                if (found == null || !found.serves(settings.key(), diskBytes)) {
                    if (found == null) {
                        image.bring(name, file(id, name), settings, diskBytes);
                    }
                    found = TrackedBitmap.openForDisk(id, name, file(id, name), settings, diskBytes);
                }
                all.add(hold(found));
            }
            opened.keep();
        }
        removeOthers(id, settings.names());
        return all;
    }

    /** Opens a bitmap that exists. */
    synchronized TrackedBitmap open(String id, String name, String key) throws DiskException {
        awaitClosed(id);
        Path file = file(id, name);
        TrackedBitmap found = held.get(file);
        return hold(found != null ? found : TrackedBitmap.open(id, name, file, key));
    }

    /** Makes a bitmap, in place of files that exist. */
    synchronized TrackedBitmap create(String id, String name, String key, long diskBytes, int granularity)
            throws DiskException {
        prepare(id);
        Path file = file(id, name);
        if (held.containsKey(file)) {
            throw new DiskException(Reason.BUSY, "bitmap " + name + " of " + id + " is being removed");
        }
        return hold(TrackedBitmap.create(id, name, file, key, diskBytes, granularity));
    }

    private TrackedBitmap hold(TrackedBitmap bitmap) {
        held.put(file(bitmap.id(), bitmap.name()), bitmap);
        bitmap.holders++;
        bitmap.doomed = false;
        return bitmap;
    }

    /**
     * Ends one use of a bitmap, on another thread, so that a loop does not wait for a device. Callers that then open,
     * make or remove a bitmap of the disk wait for that.
     */
    void releaseSoon(TrackedBitmap bitmap) {
        Path file = file(bitmap.id(), bitmap.name());
        // without the monitor, whose owner may wait for a device
        closing.add(file);
        Runnable end = () -> {
            try {
                release(bitmap);
            } finally {
                closed(file);
            }
        };
        try {
            releasing.execute(end);
        } catch (RejectedExecutionException e) {
            // the bundle has stopped
            end.run();
        }
    }

    /** Ends one use of a bitmap. If it was the last, the files are written to the device. */
    void release(TrackedBitmap bitmap) {
        Path file = file(bitmap.id(), bitmap.name());
        boolean own;
        synchronized (this) {
            if (--bitmap.holders > 0) {
                return;
            }
            own = held.remove(file, bitmap);
            if (own) {
                closing.add(file);
            } else {
                // another bitmap has taken its place, and its files
                bitmap.doomed = false;
            }
        }
        try {
            bitmap.close();
        } catch (DiskException e) {
            LOG.log(Level.WARNING, e.getMessage());
        } finally {
            if (own) {
                closed(file);
            }
        }
    }

    private synchronized void closed(Path file) {
        closing.remove(file);
        notifyAll();
    }

    /** Waits until no use of a bitmap of an attachment is being ended, and none is being written to the device. */
    private synchronized void awaitClosed(String id) {
        boolean interrupted = false;
        while (closing.stream().anyMatch(each -> each.startsWith(directory.resolve(id)))) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Deletes the files of a bitmap, at once if nobody uses it, otherwise when the last use ends. */
    synchronized void remove(String id, String name) throws DiskException {
        awaitClosed(id);
        TrackedBitmap used = held.get(file(id, name));
        if (used != null) {
            used.doomed = true;
        } else {
            TrackedBitmap.remove(file(id, name));
            TrackedBitmap.remove(TrackedBitmap.nextOf(file(id, name)));
        }
    }

    /**
     * Deletes files that were being written when the daemon was killed; not while a bitmap is used, since one may be
     * being written.
     */
    private void removeUnfinished(Path of) throws DiskException {
        if (held.keySet().stream().noneMatch(each -> each.startsWith(of))) {
            try {
                WholeFile.removeUnfinished(of);
            } catch (IOException e) {
                throw DiskException.io(of, "remove bitmaps that were being written", e);
            }
        }
    }

    private void removeOthers(String id, List<String> names) throws DiskException {
        for (Path each : entries(directory.resolve(id))) {
            String found = each.getFileName().toString();
            String name = found.endsWith(TrackedBitmap.NEXT) ? found.substring(0, found.length() - 1) : found;
            // a hidden file is being written
            if (!names.contains(name) && !found.startsWith(".")) {
                TrackedBitmap used = held.get(file(id, name));
                if (used != null) {
                    used.doomed = true;
                } else {
                    TrackedBitmap.remove(each);
                }
            }
        }
    }

    /** Deletes the files of attachments that do not exist any more. */
    synchronized void sweep(Predicate<String> attached) {
        try {
            for (Path each : entries(directory)) {
                String id = each.getFileName().toString();
                awaitClosed(id);
                if (!attached.test(id) && held.keySet().stream().noneMatch(file -> file.startsWith(each))) {
                    for (Path file : entries(each)) {
                        TrackedBitmap.remove(file);
                    }
                    Files.deleteIfExists(each);
                }
            }
        } catch (DiskException | IOException e) {
            LOG.log(Level.WARNING, "files of bitmaps that nobody needs are left: " + e.getMessage());
        }
    }

    private void prepare(String id) throws DiskException {
        awaitClosed(id);
        if (!id.matches("[A-Za-z0-9_][A-Za-z0-9._-]*")) {
            throw new DiskException(Reason.UNSUPPORTED, "'" + id + "' is no attachment, and only those have bitmaps");
        }
        try {
            Files.createDirectories(directory.resolve(id));
        } catch (IOException e) {
            throw DiskException.io(directory.resolve(id), "make the directory of bitmaps", e);
        }
    }

    private Path file(String id, String name) {
        return directory.resolve(id).resolve(name);
    }

    private static List<Path> entries(Path of) throws DiskException {
        List<Path> all = new ArrayList<>();
        if (!Files.isDirectory(of, LinkOption.NOFOLLOW_LINKS)) {
            return all;
        }
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(of)) {
            stream.forEach(all::add);
            return all;
        } catch (IOException e) {
            throw DiskException.io(of, "list the bitmaps", e);
        }
    }
}
