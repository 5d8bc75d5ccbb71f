package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;

/**
 * Changes the filters of one attachment while a VM has it. A filter is opened before requests are made to wait, and
 * closed after they go on; between these, the gate is closed, what is in flight ends, and the stack changes. The disk
 * stays open.
 *
 * <p>Only filters that leave the contents as they are come and go in this way, so that a record with the filter and one
 * without it are both right, and it can be written before the change.
 *
 * <p>Any thread but a loop; methods wait as commands do.
 */
final class FilterChange {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final Records.Entry record;
    private final Services services;
    private final LoopCalls calls;
    private final Operations operations;
    private final CommandWait commands;
    private final AttachmentDisk disk;

    FilterChange(Attachment attachment, AttachmentParts parts) {
        this.attachment = attachment;
        record = parts.record();
        services = parts.services();
        calls = parts.calls();
        operations = parts.operations();
        commands = parts.commands();
        disk = parts.disk();
    }

    /** Puts a filter above all, or below the one of a type, or where it belongs. Returns how long requests waited. */
    Duration add(String text, String below) throws DiskException {
        FilterSpec spec = FilterSpec.parse(text);
        return commands.forResult(operations.submit("a filter is being added", () -> {
            boolean open = isOpen();
            List<FilterSpec> specs = present();
            if (specs.stream().anyMatch(each -> each.type().equals(spec.type()))) {
                throw new DiskException(
                        Reason.EXISTS,
                        named() + " has a filter " + spec.type() + "; change it with filter set " + attachment.id()
                                + " " + spec.type());
            }
            int above = below == null ? specs.size() : FilterStack.place(specs, below, attachment.id());
            Registry.Entry<DiskFilter> service =
                    OpenFilter.find(spec, services.installed().filters());
            int place = service.service().onImage() ? 0 : above;
            checkTransparent(service, spec);
            specs.add(place, spec);
            if (!open) {
                return recorded(specs);
            }
            FilterStack now = disk.filters();
            OpenFilter added = open(spec, service, now.below(place));
            return exchange(specs, now.with(place, added), added, null);
        }));
    }

    /** Changes options of a filter. Returns how long requests waited. */
    Duration set(String type, Map<String, String> values) throws DiskException {
        return commands.forResult(operations.submit("a filter is being set", () -> {
            List<FilterSpec> specs = present();
            int place = FilterStack.place(specs, type, attachment.id());
            FilterSpec spec = specs.get(place).with(values);
            specs.set(place, spec);
            // parked since the storage fails, the disk is open, and this may be what it waits for
            boolean failing = attachment.faults().isParked() && disk.isOpen();
            if (!failing && !isOpen()) {
                return recorded(specs);
            }
            FilterStack now = disk.filters();
            OpenFilter open = now.filters().get(place);
            OpenFilter inPlace = setInPlace(open, spec, specs);
            if (inPlace != null) {
                disk.filters(now.replaced(place, inPlace));
                return Duration.ZERO;
            }
            if (failing) {
                throw notRunning();
            }
            checkTransparent(open.service(), spec);
            OpenFilter fresh = open(spec, open.service(), now.below(place));
            return exchange(specs, now.replaced(place, fresh), fresh, open);
        }));
    }

    /** Takes a filter out. Returns how long requests waited. */
    Duration remove(String type) throws DiskException {
        return commands.forResult(operations.submit("a filter is being removed", () -> {
            boolean open = isOpen();
            List<FilterSpec> specs = present();
            int place = FilterStack.place(specs, type, attachment.id());
            Registry.Entry<DiskFilter> service = services.installed().filters().awaited(type);
            if (service == null) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        "filter " + type + " is not installed, and only it knows whether the disk can do without it;"
                                + " to be sure, detach " + attachment.id() + " and attach it anew");
            }
            checkTransparent(service, specs.get(place));
            specs.remove(place);
            if (!open) {
                return recorded(specs);
            }
            FilterStack now = disk.filters();
            return exchange(specs, now.without(place), null, now.filters().get(place));
        }));
    }

    private List<FilterSpec> present() throws DiskException {
        return new ArrayList<>(FilterStack.parse(attachment.request().filters()));
    }

    /** Whether the disk has its filters open now; if not, an operator has parked it, or the drive is empty. */
    private boolean isOpen() throws DiskException {
        Life life = attachment.life();
        if (life instanceof Life.Running) {
            return !attachment.request().spec().type().equals(EmptyDrive.TYPE);
        }
        if (life.why().kind() != Kind.OPERATOR) {
            throw notRunning();
        }
        return false;
    }

    private DiskException notRunning() {
        return new DiskException(
                Reason.BUSY,
                named() + " is not running: " + attachment.life().why() + "; park it, and then change its filters");
    }

    private void checkTransparent(Registry.Entry<DiskFilter> service, FilterSpec spec) throws DiskException {
        if (service.service().changesContents()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    "filter " + spec.type() + " changes what " + attachment.id()
                            + " contains, and its VM has the contents as they are; detach it and attach it anew");
        }
    }

    private OpenFilter open(FilterSpec spec, Registry.Entry<DiskFilter> service, VirtualDisk below)
            throws DiskException {
        OpenFilter opened = OpenFilter.open(spec, service, below, disk.filters().means());
        DiskInfo shows = opened.disk().info();
        DiskInfo shown = below.info();
        if (shows.sizeBytes() != shown.sizeBytes()
                || shows.blockSize() != shown.blockSize()
                || shows.readOnly() != shown.readOnly()) {
            opened.close(calls);
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    "filter " + spec.type() + ": with it, the disk is " + DiskShape.of(shows) + "; its VM knows "
                            + DiskShape.of(shown));
        }
        return opened;
    }

    /** Sets options in place, and records them; null, and nothing has changed, if the filter cannot. */
    private OpenFilter setInPlace(OpenFilter filter, FilterSpec spec, List<FilterSpec> specs) throws DiskException {
        OpenFilter set = filter.set(spec, calls);
        if (set != null) {
            try {
                record(specs);
            } catch (DiskException e) {
                if (filter.set(filter.spec(), calls) == null) {
                    throw new DiskException(e.reason(), e.getMessage() + "; it is in force until a restart", e);
                }
                throw e;
            }
        }
        return set;
    }

    /**
     * Exchanges the stack while requests wait.
     *
     * @param added a filter of the new stack that is closed if this fails; may be null
     * @param removed one that is closed afterwards; may be null
     */
    private Duration exchange(List<FilterSpec> specs, FilterStack stack, OpenFilter added, OpenFilter removed)
            throws DiskException {
        AttachRequest before = attachment.request();
        long start;
        try {
            record(specs);
            start = System.nanoTime();
            attachment.quiesce(
                    new StateReason(Kind.FILTER_CHANGE, "its filters are being changed"),
                    services.limits().drain());
        } catch (DiskException | RuntimeException e) {
            recordAgain(before);
            if (added != null) {
                added.close(calls);
            }
            throw e;
        }
        try {
            if (removed != null) {
                removed.disk().beforeRemoval();
            }
        } catch (DiskException | RuntimeException e) {
            recordAgain(before);
            attachment.letThrough();
            if (added != null) {
                added.close(calls);
            }
            throw e;
        }
        try {
            disk.change(stack);
        } catch (RuntimeException | Error e) {
            // the filters may be connected in part
            StateReason why = new StateReason(Kind.FAILED, "a filter threw " + e + "; resume tries again");
            attachment.closeDisk();
            attachment.to(new Life.Parked(why));
            throw new DiskException(Reason.IO, named() + " is parked: " + why, e);
        }
        attachment.letThrough();
        Duration pause = Duration.ofNanos(System.nanoTime() - start);
        if (removed != null) {
            removed.close(calls);
        }
        return pause;
    }

    private Duration recorded(List<FilterSpec> specs) throws DiskException {
        record(specs);
        return Duration.ZERO;
    }

    private void record(List<FilterSpec> specs) throws DiskException {
        AttachRequest changed = attachment
                .request()
                .withFilters(specs.stream().map(FilterSpec::text).toList());
        record.write(changed, attachment.known());
        attachment.request(changed);
    }

    private void recordAgain(AttachRequest before) {
        attachment.request(before);
        try {
            record.write(before, attachment.known());
        } catch (DiskException e) {
            LOG.log(Level.ERROR, attachment.id() + ": a restart would change its filters: " + e.getMessage());
        }
    }

    private String named() {
        return "attachment '" + attachment.id() + "'";
    }
}
