package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;

/**
 * The disks that one filter has opened besides the one that it is on. They are opened while the filter is, on a control
 * thread, and closed on the loop; those that the filter leaves open are closed after it.
 */
final class OtherDisks {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final String filter;
    private final FilterMeans means;
    private final List<Other> open = new CopyOnWriteArrayList<>();
    private volatile boolean opening = true;

    OtherDisks(String filter, FilterMeans means) {
        this.filter = filter;
        this.means = means;
    }

    VirtualDisk open(TapSpec spec, Map<String, String> given, boolean readOnly) throws DiskException {
        if (!opening) {
            throw new IllegalStateException(
                    "filter " + filter + ": opens " + spec + " after it has been opened itself");
        }
        if (spec.type().equals(EmptyDrive.TYPE)) {
            throw new DiskException(Reason.UNSUPPORTED, "filter " + filter + ": " + spec + " is no disk");
        }
        Options options = OpenImage.options(given);
        OpenContext context = new OpenContext(means.environment().ofOtherDisk(), readOnly, options);
        means.environment().own().add(context);
        VirtualDisk disk = null;
        boolean done = false;
        try {
            disk = context.open(spec.type(), spec.path());
            options.checkAllKnown("tap:" + spec.type());
            context.checkBackingTypes();
            Other other = new Other(disk, context, spec);
            open.add(other);
            done = true;
            return other;
        } finally {
            if (!done) {
                Other failed = new Other(disk, context, spec);
                means.calls().run(failed::close);
            }
        }
    }

    /** The filter is open, and opens no more. */
    void opened() {
        opening = false;
    }

    /** Closes what the filter has left open. Loop only. */
    void close() {
        opening = false;
        for (Other left : List.copyOf(open)) {
            LOG.log(Level.WARNING, means.calls().id() + ": the filter " + filter + " has left " + left.spec + " open");
            left.close();
        }
    }

    /** One disk: the driver's, whose closing is noted, and whose files are closed in any case. */
    private final class Other implements VirtualDisk {
        private final VirtualDisk disk;
        private final OpenContext context;
        private final TapSpec spec;
        private boolean closed;

        Other(VirtualDisk disk, OpenContext context, TapSpec spec) {
            this.disk = disk;
            this.context = context;
            this.spec = spec;
        }

        @Override
        public DiskInfo info() {
            return disk.info();
        }

        @Override
        public void submit(Request request) {
            disk.submit(request);
        }

        @Override
        public void draining(boolean begins) {
            disk.draining(begins);
        }

        @Override
        public boolean savesAtDetach() {
            return disk.savesAtDetach();
        }

        @Override
        public void beforeDetach() throws DiskException {
            disk.beforeDetach();
        }

        @Override
        public void close() {
            if (closed) {
                return;
            }
            closed = true;
            open.remove(this);
            context.forget();
            try {
                if (disk != null) {
                    disk.close();
                }
            } catch (RuntimeException | Error e) {
                LOG.log(Level.ERROR, means.calls().id() + ": " + spec + " cannot be closed; its files are", e);
                context.closeFiles();
            }
        }
    }
}
