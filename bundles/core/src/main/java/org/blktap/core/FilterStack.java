package org.blktap.core;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.blktap.api.control.AttachmentStats.FilterStats;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;

/**
 * The filters that are open on one disk, from the disk up. For control threads, one at a time, except where noted.
 * Immutable: a change makes another stack, which shares the filters that stay.
 */
final class FilterStack {
    private final VirtualDisk disk;
    private final FilterMeans means;
    private final List<OpenFilter> filters;

    private FilterStack(VirtualDisk disk, FilterMeans means, List<OpenFilter> filters) {
        this.disk = disk;
        this.means = means;
        this.filters = List.copyOf(filters);
    }

    /**
     * A disk without filters.
     *
     * @param means what its filters are given
     */
    static FilterStack on(VirtualDisk disk, FilterMeans means) {
        return new FilterStack(disk, means, List.of());
    }

    /**
     * Parses specs.
     *
     * @throws DiskException BAD_OPTION; EXISTS if a type is there twice, since commands name a filter by its type
     */
    static List<FilterSpec> parse(List<String> specs) throws DiskException {
        List<FilterSpec> all = new ArrayList<>();
        Set<String> types = new HashSet<>();
        for (String each : specs) {
            FilterSpec spec = FilterSpec.parse(each);
            if (!types.add(spec.type())) {
                throw new DiskException(
                        Reason.EXISTS, "filter " + spec.type() + " is there twice: a disk has one of each type");
            }
            all.add(spec);
        }
        return all;
    }

    /** Looks for the services of all filters, before anything is opened. */
    static List<Registry.Entry<DiskFilter>> find(List<FilterSpec> specs, Registry<DiskFilter> present)
            throws DiskException {
        List<Registry.Entry<DiskFilter>> found = new ArrayList<>();
        for (FilterSpec each : specs) {
            found.add(OpenFilter.find(each, present));
        }
        return found;
    }

    /** Adds the filters, of types that are not there, that the image of a writable disk asks for, directly on it. */
    static void addImplied(
            VirtualDisk disk,
            List<FilterSpec> specs,
            List<Registry.Entry<DiskFilter>> services,
            Registry<DiskFilter> present)
            throws DiskException {
        for (Registry.Entry<DiskFilter> each : present.all()) {
            boolean isThere = specs.stream().anyMatch(spec -> spec.type().equals(each.name()));
            String text = isThere ? null : each.service().impliedBy(disk);
            if (text != null) {
                specs.add(0, FilterSpec.parse(text));
                services.add(0, present.get(each.name()));
            }
        }
    }

    /** Opens all filters on a disk, which stays open if that fails. */
    static FilterStack open(
            VirtualDisk disk, FilterMeans means, List<FilterSpec> specs, List<Registry.Entry<DiskFilter>> services)
            throws DiskException {
        FilterStack stack = on(disk, means);
        boolean done = false;
        try {
            for (int i = 0; i < specs.size(); i++) {
                stack = stack.with(i, OpenFilter.open(specs.get(i), services.get(i), stack.top(), means));
            }
            done = true;
            return stack;
        } finally {
            if (!done) {
                stack.close(means.calls());
            }
        }
    }

    /** What its filters are given. */
    FilterMeans means() {
        return means;
    }

    /** What the gate submits to: the uppermost filter, or the disk. Any thread. */
    VirtualDisk top() {
        return below(filters.size());
    }

    /** What is below place {@code i}: the filter of the place before, or the disk. */
    VirtualDisk below(int i) {
        return i == 0 ? disk : filters.get(i - 1).disk();
    }

    /** The filters, from the disk up. Any thread. */
    List<OpenFilter> filters() {
        return filters;
    }

    /**
     * The place of a filter.
     *
     * @throws DiskException NOT_FOUND
     */
    static int place(List<FilterSpec> specs, String type, String id) throws DiskException {
        for (int i = 0; i < specs.size(); i++) {
            if (specs.get(i).type().equals(type)) {
                return i;
            }
        }
        throw new DiskException(
                Reason.NOT_FOUND,
                "attachment '" + id + "' has no filter '" + type + "'; present: "
                        + (specs.isEmpty()
                                ? "none"
                                : String.join(
                                        ", ",
                                        specs.stream().map(FilterSpec::type).toList())));
    }

    /** The place of an open filter, likewise. */
    int place(String type, String id) throws DiskException {
        return place(filters.stream().map(OpenFilter::spec).toList(), type, id);
    }

    /** Returns the stack with the same filters for another disk; they are not connected to it yet. */
    FilterStack moved(VirtualDisk to, FilterMeans meansThere) {
        return new FilterStack(to, meansThere, filters);
    }

    /** Returns the stack with one more filter. */
    FilterStack with(int place, OpenFilter added) {
        List<OpenFilter> more = new ArrayList<>(filters);
        more.add(place, added);
        return new FilterStack(disk, means, more);
    }

    /** Returns the stack with another filter in a place, or the same filter with another spec. */
    FilterStack replaced(int place, OpenFilter by) {
        List<OpenFilter> other = new ArrayList<>(filters);
        other.set(place, by);
        return new FilterStack(disk, means, other);
    }

    /** Returns the stack without a filter. */
    FilterStack without(int place) {
        List<OpenFilter> fewer = new ArrayList<>(filters);
        fewer.remove(place);
        return new FilterStack(disk, means, fewer);
    }

    /** Makes each filter submit to what is below it in this stack. Loop only, with nothing in flight. */
    void connect() {
        for (int i = 0; i < filters.size(); i++) {
            if (filters.get(i).disk().below() != below(i)) {
                filters.get(i).disk().setBelow(below(i));
            }
        }
    }

    /** The size that the image must have for VMs to see a size. */
    long sizeBelow(long sizeBytes) {
        long size = sizeBytes;
        for (int i = filters.size() - 1; i >= 0; i--) {
            size = filters.get(i).disk().sizeBelow(size);
        }
        return size;
    }

    /** Tells a filter that it is about to be taken out. The gate is closed, and nothing is in flight. */
    void beforeSwitch(String type, String id) throws DiskException {
        filters.get(place(type, id)).disk().beforeSwitch();
    }

    /** @throws DiskException BUSY if the disk, or one of its filters, refuses to be detached now */
    void checkDetach() throws DiskException {
        if (top() != null) {
            top().checkDetach();
        }
    }

    boolean uses(Registry.Entry<DiskFilter> service) {
        return filters.stream().anyMatch(each -> each.service().equals(service));
    }

    /** What the filters report. Loop only. */
    List<FilterStats> stats() {
        return filters.stream()
                .map(each -> new FilterStats(each.spec().type(), each.disk().stats()))
                .toList();
    }

    /**
     * The filter whose code threw; null if it was the disk. A filter calls the disk below it, so that the innermost
     * frame decides.
     */
    String thrower(Throwable failure) {
        for (StackTraceElement frame : failure.getStackTrace()) {
            if (!frame.getClassName().startsWith("java.")) {
                String room =
                        frame.getClassName().substring(0, frame.getClassName().lastIndexOf('.') + 1);
                return filters.stream()
                        .filter(each -> room.equals(each.disk().getClass().getPackageName() + "."))
                        .map(each -> each.spec().type())
                        .findFirst()
                        .orElse(null);
            }
        }
        return null;
    }

    /** Closes the filters, from the uppermost down. The disk stays open. Nothing is in flight. */
    void close(LoopCalls calls) throws DiskException {
        for (int i = filters.size() - 1; i >= 0; i--) {
            filters.get(i).close(calls);
        }
    }
}
