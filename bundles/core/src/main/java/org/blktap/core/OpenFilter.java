package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Map;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FileWatcher;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.memory.NativeMemory;

/**
 * A filter that is open on a disk.
 *
 * @param options those that it was opened or set with, with what it knows
 * @param service what has opened it
 * @param others what it has opened besides
 */
record OpenFilter(
        FilterSpec spec, Options options, Registry.Entry<DiskFilter> service, PassThroughDisk disk, OtherDisks others) {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    /** What a filter gets. */
    record Context(boolean readOnly, Options options, FilterMeans means, OtherDisks others) implements FilterContext {
        @Override
        public String id() {
            return means.calls().id();
        }

        @Override
        public IoLoop loop() {
            return means.calls().loop();
        }

        @Override
        public NativeMemory memory() {
            return means.memory();
        }

        @Override
        public VirtualDisk openDisk(TapSpec spec, Map<String, String> values, boolean refusesWrites)
                throws DiskException {
            return others.open(spec, values, refusesWrites);
        }

        @Override
        public void watchFiles(FileWatcher watcher) {
            means.watch().by(watcher);
        }
    }

    /** The service of a filter. Waits for one that is being replaced; for control threads. */
    static Registry.Entry<DiskFilter> find(FilterSpec spec, Registry<DiskFilter> filters) throws DiskException {
        Registry.Entry<DiskFilter> found = filters.awaited(spec.type());
        if (found == null) {
            throw new MissingService(
                    StateReason.Kind.NO_FILTER,
                    spec.type(),
                    "no filter " + spec.type() + "; present: " + filters.names());
        }
        return found;
    }

    /** Opens a filter on a disk, which stays open if that fails. For control threads. */
    static OpenFilter open(FilterSpec spec, Registry.Entry<DiskFilter> service, VirtualDisk below, FilterMeans means)
            throws DiskException {
        return open(spec, new Options(spec.options()), service, below, means);
    }

    /**
     * Opens as {@link #open(FilterSpec, Registry.Entry, VirtualDisk, FilterMeans)}, with options that others have asked
     * for values.
     */
    static OpenFilter open(
            FilterSpec spec, Options options, Registry.Entry<DiskFilter> service, VirtualDisk below, FilterMeans means)
            throws DiskException {
        LoopCalls calls = means.calls();
        OtherDisks others = new OtherDisks(spec.type(), means);
        PassThroughDisk disk;
        boolean done = false;
        try {
            disk = service.service().open(below, new Context(below.info().readOnly(), options, means, others));
            done = true;
        } finally {
            others.opened();
            if (!done) {
                calls.run(others::close);
            }
        }
        OpenFilter opened = new OpenFilter(spec, options, service, disk, others);
        try {
            if (disk.below() != below) {
                throw new DiskException(
                        Reason.IO,
                        "filter " + spec.type() + ": internal error: it is not on the disk that it was given");
            }
            options.checkAllKnown("filter " + spec.type());
            return opened;
        } catch (DiskException e) {
            opened.close(calls);
            throw e;
        }
    }

    /**
     * Sets other options in place.
     *
     * @return the filter with them; null if it must be opened anew for that
     * @throws DiskException BAD_OPTION, and nothing has changed
     */
    OpenFilter set(FilterSpec other, LoopCalls calls) throws DiskException {
        Options changed = options.withValues(other.options());
        changed.checkAllKnown("filter " + spec.type());
        return calls.ask(() -> disk.set(changed)) ? new OpenFilter(other, changed, service, disk, others) : null;
    }

    /** Closes the filter on the loop; the disk below stays open. Nothing is in flight. */
    void close(LoopCalls calls) throws DiskException {
        calls.run(() -> closeNow(calls.id()));
    }

    /** Does what {@link #close} does. Loop only. */
    void closeNow(String id) {
        try {
            disk.close();
        } catch (RuntimeException | Error e) {
            LOG.log(Level.ERROR, id + ": the filter " + spec.type() + " cannot be closed", e);
        }
        others.close();
    }
}
