package org.blktap.jobs.bitmap;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.StoredBitmaps;
import org.blktap.api.disk.StoredBitmaps.Source;
import org.blktap.api.disk.StoredBitmaps.State;
import org.blktap.api.disk.StoredBitmaps.StoredBitmap;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.jobs.bits.MappedBits;
import org.blktap.jobs.bits.MappedBits.Initially;

/**
 * The bitmaps that the image of a disk stores. While the disk is open, the mapped files count; when it is closed, their
 * bits are stored in the image. If the image says that its bitmaps are up to date, this daemon or another program has
 * closed it since, and its bits count. Otherwise the mapped files count, unless they say that the image had their bits:
 * then another program has changed the image. A bitmap that was cleared while the disk was closed is only in its file.
 */
final class ImageBitmaps {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    private static final int LARGEST_GRANULARITY = 1 << 30;

    private final String id;
    /** The image's bitmaps; null for an image that stores none. */
    private final StoredBitmaps stored;

    private ImageBitmaps(String id, StoredBitmaps stored) {
        this.id = id;
        this.stored = stored;
    }

    static ImageBitmaps of(String id, VirtualDisk disk) {
        return new ImageBitmaps(id, disk.storedBitmaps());
    }

    /** Returns the bitmaps of an image that must record all writes, and can; at most {@code most}. */
    static List<String> recording(VirtualDisk disk, int most) {
        StoredBitmaps stored = disk.storedBitmaps();
        List<String> names = new ArrayList<>();
        if (stored == null) {
            return names;
        }
        if (stored.invalidated()) {
            LOG.log(
                    Level.WARNING,
                    disk.info().details().getOrDefault("file", "the image")
                            + ": its bitmaps are not valid: a program that does not know them has written to it");
        }
        for (StoredBitmap each : stored.list()) {
            if (each.recording() && BitmapSettings.isName(each.name()) && names.size() < most) {
                names.add(each.name());
            } else if (each.recording()) {
                LOG.log(
                        Level.WARNING,
                        "bitmap " + each.name() + " of the image becomes stale with the first write: at most " + most
                                + " are kept, with names of letters, digits and . _ -");
            }
        }
        return names;
    }

    /** Brings the file of a bitmap up to date before it is opened for the disk. */
    void bring(String name, Path file, BitmapSettings settings, long diskBytes) throws DiskException {
        if (stored == null || !stored.current() || settings.key().isEmpty()) {
            return;
        }
        StoredBitmap found = stored.list().stream()
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElse(null);
        boolean valid = found != null && found.state() == State.RECORDING;
        boolean used = Files.exists(TrackedBitmap.nextOf(file), LinkOption.NOFOLLOW_LINKS);
        if (valid && !used && isNewer(file, settings)) {
            return;
        }
        if (valid && !used && fits(found, diskBytes) && bitsOfImage(found, file, settings, diskBytes)) {
            return;
        }
        boolean there = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
        if (there && (found == null || isOf(file, settings))) {
            check(found, file, settings);
        } else if (found != null) {
            LOG.log(Level.WARNING, id + ": bitmap " + name + " of the image is not up to date");
            int granularity = fits(found, diskBytes)
                    ? (int) found.granularity()
                    : Math.max(settings.granularity(), MappedBits.smallestGranularity(diskBytes));
            MappedBits.create(file, diskBytes, granularity, settings.key(), Initially.STALE)
                    .close();
        }
    }

    /** Whether the bitmap of a file was cleared while the disk was closed. */
    private static boolean isNewer(Path file, BitmapSettings settings) {
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        try (MappedBits bits = MappedBits.open(file)) {
            return bits.wasClean()
                    && !bits.wasStored()
                    && !bits.stale()
                    && TrackedBitmap.keyOf(bits).equals(settings.key());
        } catch (DiskException e) {
            LOG.log(Level.DEBUG, e.getMessage());
            return false;
        }
    }

    /** Whether a file belongs to this attachment; files of others, and damaged ones, are not trusted. */
    private static boolean isOf(Path file, BitmapSettings settings) {
        try (MappedBits bits = MappedBits.open(file)) {
            return TrackedBitmap.keyOf(bits).equals(settings.key());
        } catch (DiskException e) {
            LOG.log(Level.DEBUG, e.getMessage());
            return false;
        }
    }

    private static boolean fits(StoredBitmap found, long diskBytes) {
        return found.granularity() <= LARGEST_GRANULARITY
                && found.granularity() >= MappedBits.smallestGranularity(diskBytes);
    }

    private boolean bitsOfImage(StoredBitmap found, Path file, BitmapSettings settings, long diskBytes)
            throws DiskException {
        try (MappedBits bits =
                MappedBits.create(file, diskBytes, (int) found.granularity(), settings.key(), Initially.CLEAR)) {
            boolean done = false;
            try {
                stored.read(found.name(), (offset, length) -> {
                    long end = Math.min(diskBytes, offset + length);
                    if (offset < end) {
                        bits.set(offset, end - offset);
                    }
                });
                bits.markStored(true);
                done = true;
            } finally {
                if (!done) {
                    // a part of the bits is never trusted
                    bits.markStale();
                }
            }
            return true;
        } catch (DiskException e) {
            if (e.reason() != Reason.CORRUPT && e.reason() != Reason.UNSUPPORTED) {
                throw e;
            }
            LOG.log(Level.WARNING, id + ": " + e.getMessage());
            return true;
        }
    }

    /** Makes a file stale if its bits were stored in the image, and the image's bitmap is not up to date any more. */
    private void check(StoredBitmap found, Path file, BitmapSettings settings) {
        try (MappedBits bits = MappedBits.open(file)) {
            boolean valid = found != null && found.state() == State.RECORDING;
            boolean lost = bits.wasStored() && !valid && (found != null || stored.invalidated());
            if (lost && TrackedBitmap.keyOf(bits).equals(settings.key())) {
                LOG.log(
                        Level.WARNING,
                        id + ": bitmap " + file.getFileName()
                                + ": another program has changed the image, and its bitmap is not up to date");
                bits.markStale();
            }
        } catch (DiskException e) {
            // the opening for the disk says so, too
            LOG.log(Level.DEBUG, e.getMessage());
        }
    }

    /** Makes the image remove bitmaps when it is closed. */
    static void forget(VirtualDisk disk, TrackedBitmap[] bitmaps) {
        StoredBitmaps stored = disk.storedBitmaps();
        for (TrackedBitmap each : bitmaps) {
            if (stored != null) {
                stored.forget(each.name());
            }
        }
    }

    /**
     * Stores all bitmaps in the image when its disk is about to be closed.
     *
     * @param inUse whether the bitmaps have recorded the writes of the disk since it was opened
     */
    static void keep(VirtualDisk disk, TrackedBitmap[] bitmaps, boolean inUse) {
        StoredBitmaps stored = disk.storedBitmaps();
        if (stored == null || !inUse && !stored.current()) {
            return;
        }
        List<Source> sources = new ArrayList<>();
        for (TrackedBitmap each : bitmaps) {
            sources.add(new Dirty(each));
        }
        try {
            stored.store(sources);
            for (TrackedBitmap each : bitmaps) {
                each.bits().markStored(true);
            }
        } catch (DiskException e) {
            LOG.log(Level.WARNING, "bitmaps are not stored in the image: " + e.getMessage());
        }
    }

    private record Dirty(TrackedBitmap bitmap) implements Source {
        @Override
        public String name() {
            return bitmap.name();
        }

        @Override
        public long granularity() {
            return bitmap.bits().granularity();
        }

        @Override
        public boolean stale() {
            return bitmap.status().stale();
        }

        @Override
        public long nextDirty(long from) {
            return bitmap.dirtyFrom(from);
        }

        @Override
        public long nextClean(long from) {
            return bitmap.cleanFrom(from);
        }
    }
}
