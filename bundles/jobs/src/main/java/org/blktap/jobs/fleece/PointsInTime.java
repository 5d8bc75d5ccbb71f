package org.blktap.jobs.fleece;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.jobs.bitmap.Bitmaps;
import org.blktap.jobs.bitmap.Freeze;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/** Begins and ends points in time of attachments. Control threads. */
@Component(service = PointsInTime.class)
public final class PointsInTime {
    private static final int RANGE = 64 << 10;
    private static final int SMALLEST_RANGE = 4096;
    private static final int LARGEST_RANGE = 16 << 20;

    private static final Logger LOG = System.getLogger("org.blktap.jobs");

    private final FleeceFilter filter;
    private final Attachments attachments;
    private final Bitmaps bitmaps;
    /** Uses of bitmaps by attachment. */
    private final Map<String, Freeze> frozen = new HashMap<>();

    @Activate
    public PointsInTime(
            @Reference FleeceFilter filter, @Reference Attachments attachments, @Reference Bitmaps bitmaps) {
        this.filter = filter;
        this.attachments = attachments;
        this.bitmaps = bitmaps;
    }

    /** Leaves bitmaps frozen for the next run of the bundle. */
    @Deactivate
    synchronized void deactivate() {
        frozen.values().forEach(Freeze::close);
        frozen.clear();
    }

    /**
     * A request for a point in time.
     *
     * @param name of the point in time
     * @param since a bitmap; null for none
     * @param buffer bytes of old data that are kept; null for the default
     * @param range bytes that are saved as a unit; null for the default
     * @param waits whether the VM waits when the buffer is full
     * @param backup whether it is for a backup, which reads each range once and does not survive this run of the daemon
     * @param stale whether a stale bitmap may be used, so that everything counts as changed
     */
    record Wish(String name, String since, String buffer, String range, boolean waits, boolean backup, boolean stale) {}

    /** Returns the name of an attachment's point in time, or null. */
    static String of(AttachmentStatus status) throws DiskException {
        for (String each : status.filters()) {
            if (Options.nameIn(each).equals(FleeceFilter.TYPE)) {
                return Options.valuesIn(each, "filter").get("name");
            }
        }
        return null;
    }

    /**
     * Begins a point in time: keeps what the disk has now.
     *
     * @throws DiskException BUSY if the attachment has a point in time
     */
    synchronized void begin(String id, Wish wish) throws DiskException {
        AttachmentStatus status = attachments.status(id);
        String other = of(status);
        if (other != null && !PointFile.lostReason(filter.directory(), id).isEmpty()) {
            // the user of it has been told that it is lost
            end(id, false);
        } else if (other != null) {
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + id + "' has the point in time '" + other
                            + "', and only one at a time; wait for its backup, or: blktap expose --end " + other);
        } else if (!PointFile.name(filter.directory(), id).isEmpty()) {
            // the daemon was killed while it began or ended a point in time
            end(id, false);
        }
        if (status.state() != AttachmentStatus.State.RUNNING) {
            throw new DiskException(
                    Reason.BUSY, "attachment '" + id + "' is not running: " + status.reason() + "; resume it first");
        }
        sweep();
        StringBuilder spec = new StringBuilder(FleeceFilter.TYPE + ",name=" + wish.name());
        if (wish.buffer() != null) {
            spec.append(",buffer=").append(wish.buffer());
        }
        if (wish.waits()) {
            spec.append(",full=wait");
        }
        if (wish.backup()) {
            spec.append(",once=yes");
        }
        PointFile.ask(
                filter.directory(),
                id,
                new PointHeader.Asked(
                        wish.name(),
                        range(wish.range()),
                        wish.backup() ? filter.run() : "",
                        wish.since() == null ? "" : wish.since()));
        boolean done = false;
        try {
            if (wish.since() != null) {
                freeze(id, wish);
            }
            attachments.addFilter(id, spec.toString(), null);
            if (wish.since() != null) {
                Freeze freeze = frozen.get(id);
                freeze.seal();
                PointFile.note(filter.directory(), id, freeze.bits());
            }
            PointFile.info(filter.directory(), id, wish.name());
            done = true;
        } finally {
            if (!done) {
                end(id, false);
            }
        }
    }

    private void freeze(String id, Wish wish) throws DiskException {
        Freeze before = bitmaps.frozen(id, wish.since(), wish.name());
        if (before != null) {
            // the daemon was killed, and the file of the point in time is gone
            before.fail();
        }
        Freeze freeze = bitmaps.freeze(id, wish.since(), wish.name());
        frozen.put(id, freeze);
        if (freeze.stale() && !wish.stale()) {
            throw new DiskException(
                    Reason.IO,
                    "bitmap " + wish.since() + " of " + id
                            + " is stale: writes before a power loss may be missing in it;"
                            + " with --stale all of the disk counts as changed");
        }
    }

    private static int range(String text) throws DiskException {
        if (text == null) {
            return RANGE;
        }
        long range = new Options(Map.of("range", text)).size("range", RANGE, SMALLEST_RANGE, LARGEST_RANGE);
        if (Long.bitCount(range) != 1) {
            throw Options.bad("range", text, "a power of two");
        }
        return (int) range;
    }

    /** Returns the attachment that has the point in time of a name, or null. */
    String having(String name) throws DiskException {
        for (AttachmentStatus each : attachments.list()) {
            if (name.equals(of(each))) {
                return each.id();
            }
        }
        return null;
    }

    /**
     * Ends the point in time of an attachment, if both still exist.
     *
     * @param safe whether the copy of it is safe, so that its bitmap need not contain these changes any more
     */
    synchronized void end(String id, boolean safe) throws DiskException {
        String since = PointFile.since(filter.directory(), id);
        boolean lost = !lostReason(id).isEmpty();
        Freeze freeze = frozen.remove(id);
        if (freeze == null && !since.isEmpty()) {
            freeze = frozenBefore(id, since, PointFile.name(filter.directory(), id));
        }
        // first: after a kill, the filter or the file says that there is something to end
        if (freeze != null && safe && !lost) {
            freeze.succeed();
        } else if (freeze != null) {
            freeze.fail();
        }
        for (AttachmentStatus each : attachments.list()) {
            if (each.id().equals(id) && of(each) != null) {
                attachments.removeFilter(id, FleeceFilter.TYPE);
            }
        }
        PointFile.remove(filter.directory(), id);
    }

    /** Returns the use of a bitmap that an earlier run of the bundle began; null if there is none. */
    private Freeze frozenBefore(String id, String since, String name) throws DiskException {
        try {
            return bitmaps.frozen(id, since, name);
        } catch (DiskException e) {
            if (e.reason() != Reason.NOT_FOUND) {
                throw e;
            }
            LOG.log(Level.WARNING, e.getMessage());
            return null;
        }
    }

    /** Returns why the point in time of an attachment is lost; empty if it is not. */
    String lostReason(String id) {
        return PointFile.lostReason(filter.directory(), id);
    }

    Point point(String id) {
        return filter.point(id);
    }

    /** Removes the files of points in time whose attachments are gone. */
    private void sweep() throws DiskException {
        List<AttachmentStatus> all = attachments.list();
        Set<String> used = all.stream()
                .filter(each -> each.filters().stream()
                        .anyMatch(spec -> Options.nameIn(spec).equals(FleeceFilter.TYPE)))
                .map(AttachmentStatus::id)
                .collect(Collectors.toSet());
        PointFile.removeOthers(filter.directory(), used);
    }
}
