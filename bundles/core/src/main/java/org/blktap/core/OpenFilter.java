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
 */
record OpenFilter(FilterSpec spec, Options options, Registry.Entry<DiskFilter> service, PassThroughDisk disk) {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    /** What a filter gets. */
    record Context(
            String id, boolean readOnly, Options options, IoLoop loop, NativeMemory memory, WatchedFile.Watch watch)
            implements FilterContext {
        @Override
        public VirtualDisk openDisk(TapSpec spec, Map<String, String> options, boolean readOnly) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void watchFiles(FileWatcher watcher) {
            watch.by(watcher);
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
    static OpenFilter open(
            FilterSpec spec,
            Registry.Entry<DiskFilter> service,
            VirtualDisk below,
            WatchedFile.Watch watch,
            LoopCalls calls,
            NativeMemory memory)
            throws DiskException {
        Options options = new Options(spec.options());
        PassThroughDisk disk = service.service()
                .open(below, new Context(calls.id(), below.info().readOnly(), options, calls.loop(), memory, watch));
        OpenFilter opened = new OpenFilter(spec, options, service, disk);
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
        return calls.ask(() -> disk.set(changed)) ? new OpenFilter(other, changed, service, disk) : null;
    }

    /** Closes the filter on the loop; the disk below stays open. Nothing is in flight. */
    void close(LoopCalls calls) throws DiskException {
        calls.run(() -> {
            try {
                disk.close();
            } catch (RuntimeException | Error e) {
                LOG.log(Level.ERROR, calls.id() + ": the filter " + spec.type() + " cannot be closed", e);
            }
        });
    }
}
