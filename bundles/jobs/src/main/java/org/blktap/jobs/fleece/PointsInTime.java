package org.blktap.jobs.fleece;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** Begins and ends points in time of attachments. For control threads. */
@Component(service = PointsInTime.class)
public final class PointsInTime {
    private static final int RANGE = 64 << 10;
    private static final int SMALLEST_RANGE = 4096;
    private static final int LARGEST_RANGE = 16 << 20;

    private final FleeceFilter filter;
    private final Attachments attachments;

    @Activate
    public PointsInTime(@Reference FleeceFilter filter, @Reference Attachments attachments) {
        this.filter = filter;
        this.attachments = attachments;
    }

    /**
     * What is asked for.
     *
     * @param name of the point in time
     * @param since a bitmap; null for none
     * @param buffer bytes of old data that are kept; null for the default
     * @param range bytes that are saved as one; null for the default
     * @param waits whether the VM waits when the buffer is full
     * @param backup whether it is for a backup of this run of the daemon, which reads each range once
     */
    record Wish(String name, String since, String buffer, String range, boolean waits, boolean backup) {}

    /** The name of the point in time that an attachment has, or null. */
    static String of(AttachmentStatus status) throws DiskException {
        for (String each : status.filters()) {
            if (Options.nameIn(each).equals(FleeceFilter.TYPE)) {
                return Options.valuesIn(each, "filter").get("name");
            }
        }
        return null;
    }

    /**
     * Begins one: what the disk has now is kept.
     *
     * @throws DiskException BUSY if the attachment has one
     */
    synchronized void begin(String id, Wish wish) throws DiskException {
        AttachmentStatus status = attachments.status(id);
        String other = of(status);
        if (other != null && !PointFile.lostReason(filter.directory(), id).isEmpty()) {
            // whoever had it knows that it is lost
            end(id);
        } else if (other != null) {
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + id + "' has the point in time '" + other
                            + "', and only one at a time; wait for its backup, or: blktap expose --end " + other);
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
                new PointFile.Asked(wish.name(), range(wish.range()), wish.backup() ? filter.run() : "", ""));
        try {
            attachments.addFilter(id, spec.toString(), null);
        } catch (DiskException | RuntimeException e) {
            PointFile.remove(filter.directory(), id);
            throw e;
        }
        try {
            PointFile.info(filter.directory(), id, wish.name());
        } catch (DiskException e) {
            end(id);
            throw e;
        }
    }

    private static int range(String text) throws DiskException {
        if (text == null) {
            return RANGE;
        }
        long range = new Options(java.util.Map.of("range", text)).size("range", RANGE, SMALLEST_RANGE, LARGEST_RANGE);
        if (Long.bitCount(range) != 1) {
            throw Options.bad("range", text, "a power of two");
        }
        return (int) range;
    }

    /** The attachment that has a point in time of the name, or null. */
    String having(String name) throws DiskException {
        for (AttachmentStatus each : attachments.list()) {
            if (name.equals(of(each))) {
                return each.id();
            }
        }
        return null;
    }

    /** Ends the one that an attachment has, if it has one, and if there still is an attachment. */
    synchronized void end(String id) throws DiskException {
        for (AttachmentStatus each : attachments.list()) {
            if (each.id().equals(id) && of(each) != null) {
                attachments.removeFilter(id, FleeceFilter.TYPE);
            }
        }
        PointFile.remove(filter.directory(), id);
    }

    /** Why the one of an attachment is lost; empty if it is not. */
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
