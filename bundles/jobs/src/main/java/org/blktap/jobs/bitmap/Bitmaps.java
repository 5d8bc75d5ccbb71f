package org.blktap.jobs.bitmap;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.stream.Collectors;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.jobs.bits.MappedBits;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** The dirty bitmaps of attachments. Any thread but a loop; methods block. */
@Component(service = Bitmaps.class)
public final class Bitmaps {
    /** Owner of the bits while they are cleared; no job has this name. */
    static final String CLEARING = "(clear)";

    /** The option of a filter that names the owner of the bits that the filter uses. */
    private static final String OWNER = "name";

    private static final Logger LOG = System.getLogger("org.blktap.jobs");

    private final BitmapStore store;
    private final Attachments attachments;
    /** Bitmaps that are used by a {@link Freeze}. */
    private final Set<TrackedBitmap> used = ConcurrentHashMap.newKeySet();
    /** Locks that allow one change at a time of each attachment. */
    private final ConcurrentMap<String, Object> locks = new ConcurrentHashMap<>();

    @Activate
    public Bitmaps(@Reference BitmapFilter filter, @Reference Attachments attachments) {
        store = filter.store();
        this.attachments = attachments;
    }

    /**
     * Adds a bitmap in which nothing is dirty, while no request is in flight.
     *
     * @param granularity a power of two from 512 to 1 GiB; 0 for 64 KiB, or more if the disk is very large
     * @return how long requests waited
     * @throws DiskException NOT_FOUND; EXISTS; BAD_OPTION; and what {@link Attachments#addFilter} throws
     */
    public Duration add(String id, String name, long granularity) throws DiskException {
        synchronized (lock(id)) {
            BitmapSettings.check(name);
            AttachmentStatus status = attachments.status(id);
            if (status.readOnly()) {
                throw new DiskException(Reason.BAD_OPTION, "attachment '" + id + "' is read-only: nothing is written");
            }
            BitmapSettings recorded = settings(status);
            if (recorded != null && recorded.names().contains(name)) {
                throw new DiskException(Reason.EXISTS, "attachment '" + id + "' has a bitmap " + name);
            }
            sweep();
            String key = recorded == null || recorded.key().isEmpty() ? newKey() : recorded.key();
            int smallest = MappedBits.smallestGranularity(status.sizeBytes());
            TrackedBitmap added = store.create(
                    id,
                    name,
                    key,
                    status.sizeBytes(),
                    granularity == 0
                            ? Math.max(BitmapSettings.GRANULARITY, smallest)
                            : BitmapSettings.granularity(granularity));
            boolean done = false;
            try {
                Duration pause = recorded == null
                        ? attachments.addFilter(id, BitmapSettings.spec(name, key), lowest(status))
                        : attachments.setFilter(
                                id, BitmapFilter.TYPE, BitmapSettings.changes(recorded.with(name), key));
                done = true;
                return pause;
            } finally {
                if (!done) {
                    store.remove(id, name);
                }
                store.release(added);
            }
        }
    }

    /**
     * Removes a bitmap.
     *
     * @return how long requests waited
     * @throws DiskException NOT_FOUND; BUSY while a backup uses it
     */
    public Duration remove(String id, String name) throws DiskException {
        synchronized (lock(id)) {
            BitmapSettings recorded = recorded(id, name);
            for (TrackedBitmap each : used) {
                if (each.id().equals(id) && each.name().equals(name)) {
                    throw busy(each);
                }
            }
            List<String> rest = recorded.without(name);
            Duration pause;
            try {
                pause = rest.isEmpty()
                        ? attachments.removeFilter(id, BitmapFilter.TYPE)
                        : attachments.setFilter(id, BitmapFilter.TYPE, BitmapSettings.changes(rest, recorded.key()));
            } catch (DiskException | RuntimeException e) {
                // the filter, now open without it, has marked its files for deletion
                store.release(store.open(id, name, recorded.key()));
                throw e;
            }
            store.remove(id, name);
            return pause;
        }
    }

    /**
     * Clears a bitmap: afterwards it contains what was written since a moment during the call at which no request was
     * in flight.
     *
     * @return how long requests waited
     * @throws DiskException NOT_FOUND; BUSY while a backup uses it, or if requests do not end
     */
    public Duration clear(String id, String name) throws DiskException {
        synchronized (lock(id)) {
            Freeze freeze = freeze(id, name, CLEARING);
            boolean done = false;
            try {
                // with nothing that changes, the filter is opened anew while nothing is in flight
                Duration pause = attachments.setFilter(id, BitmapFilter.TYPE, Map.of());
                freeze.succeed();
                done = true;
                return pause;
            } finally {
                if (!done) {
                    freeze.fail();
                }
            }
        }
    }

    /**
     * Returns the bitmaps of an attachment. A bitmap that cannot be read while the disk is closed is listed as stale.
     *
     * @throws DiskException NOT_FOUND
     */
    public List<BitmapStatus> list(String id) throws DiskException {
        synchronized (lock(id)) {
            AttachmentStatus status = attachments.status(id);
            BitmapSettings recorded = settings(status);
            List<BitmapStatus> all = new ArrayList<>();
            for (String name : recorded == null ? List.<String>of() : recorded.names()) {
                try {
                    TrackedBitmap bitmap = store.open(id, name, recorded.key());
                    all.add(bitmap.status());
                    store.release(bitmap);
                } catch (DiskException e) {
                    all.add(new BitmapStatus(name, recorded.granularity(), status.sizeBytes(), true, ""));
                }
            }
            return all;
        }
    }

    /**
     * Begins to use the bits of a bitmap; see {@link Freeze}.
     *
     * @param owner the job's name for messages and {@link #frozen}; no spaces, at most 64 bytes
     * @throws DiskException NOT_FOUND; BUSY if a backup uses it
     */
    public Freeze freeze(String id, String name, String owner) throws DiskException {
        synchronized (lock(id)) {
            BitmapSettings recorded = recorded(id, name);
            TrackedBitmap bitmap = store.open(id, name, recorded.key());
            try (CloseOnFailure opened = new CloseOnFailure(() -> store.release(bitmap))) {
                takeBack(bitmap);
                if (!bitmap.owner().isEmpty()) {
                    throw busy(bitmap);
                }
                String key = recorded.key().isEmpty() ? newKey() : recorded.key();
                bitmap.freeze(key, owner);
                if (recorded.key().isEmpty()) {
                    recordKey(bitmap, key);
                }
                used.add(bitmap);
                return opened.keep(new Freeze(this, bitmap, owner));
            }
        }
    }

    /**
     * Ends a use that the end of a daemon has left behind: nobody in this run of the daemon uses the bits, and no
     * filter of the attachment names their owner.
     */
    private void takeBack(TrackedBitmap bitmap) throws DiskException {
        String owner = bitmap.owner();
        if (owner.isEmpty() || used.contains(bitmap)) {
            return;
        }
        for (String spec : attachments.status(bitmap.id()).filters()) {
            if (owner.equals(Options.valuesIn(spec, "filter").get(OWNER))) {
                return;
            }
        }
        LOG.log(
                Level.WARNING,
                bitmap.id() + ": bitmap " + bitmap.name() + " was used by " + owner
                        + ", which is gone; it contains everything again");
        bitmap.merge();
    }

    /** Records the key by which the files of an attachment are trusted after a restart. */
    private void recordKey(TrackedBitmap bitmap, String key) throws DiskException {
        try {
            attachments.setFilter(bitmap.id(), BitmapFilter.TYPE, BitmapSettings.changes(key));
        } catch (DiskException | RuntimeException e) {
            bitmap.merge();
            throw e;
        }
    }

    /**
     * Continues to use the bits of a bitmap that were frozen before a restart.
     *
     * @return null if the owner does not use it, such as after {@link Freeze#succeed}
     * @throws DiskException NOT_FOUND; BUSY if the owner has a {@link Freeze} of it already
     */
    public Freeze frozen(String id, String name, String owner) throws DiskException {
        synchronized (lock(id)) {
            TrackedBitmap bitmap = store.open(id, name, recorded(id, name).key());
            if (!bitmap.owner().equals(owner) || used.contains(bitmap)) {
                store.release(bitmap);
                if (used.contains(bitmap)) {
                    throw busy(bitmap);
                }
                return null;
            }
            used.add(bitmap);
            return new Freeze(this, bitmap, owner);
        }
    }

    void closed(TrackedBitmap bitmap) {
        used.remove(bitmap);
        store.release(bitmap);
    }

    // ---- records

    private BitmapSettings recorded(String id, String name) throws DiskException {
        BitmapSettings recorded = settings(attachments.status(id));
        List<String> names = recorded == null ? List.of() : recorded.names();
        if (!names.contains(name)) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    "attachment '" + id + "' has no bitmap '" + name + "'; present: "
                            + (names.isEmpty() ? "none" : String.join(", ", names)));
        }
        return recorded;
    }

    /** Returns the recorded options of the filter; null if there is none. */
    private static BitmapSettings settings(AttachmentStatus status) throws DiskException {
        for (String spec : status.filters()) {
            if (Options.nameIn(spec).equals(BitmapFilter.TYPE)) {
                return BitmapSettings.of(new Options(Options.valuesIn(spec, "filter " + BitmapFilter.TYPE)));
            }
        }
        return null;
    }

    /** Returns the filter below which a new one is put; null if there is none. */
    private static String lowest(AttachmentStatus status) {
        return status.filters().isEmpty()
                ? null
                : Options.nameIn(status.filters().get(0));
    }

    private void sweep() {
        Set<String> ids = attachments.list().stream().map(AttachmentStatus::id).collect(Collectors.toSet());
        store.sweep(ids::contains);
    }

    private Object lock(String id) {
        return locks.computeIfAbsent(id, each -> new Object());
    }

    private static DiskException busy(TrackedBitmap bitmap) {
        return new DiskException(
                Reason.BUSY, "bitmap " + bitmap.name() + " of " + bitmap.id() + " is used by " + bitmap.owner());
    }

    static String newKey() {
        return UUID.randomUUID().toString();
    }
}
