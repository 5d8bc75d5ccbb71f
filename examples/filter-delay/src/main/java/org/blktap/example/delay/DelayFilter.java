package org.blktap.example.delay;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.osgi.service.component.annotations.Component;

/** {@code --filter delay,ms=<time>}: each request reaches the disk so many milliseconds later. */
@Component
@FilterType(type = "delay", summary = "delays each request (the tutorial's example)")
public final class DelayFilter implements DiskFilter {
    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        return new DelayedDisk(below, context.loop(), milliseconds(context.options()));
    }

    private static int milliseconds(Options options) throws DiskException {
        return options.number("ms", 10, 0, 1000);
    }

    private static final class DelayedDisk extends PassThroughDisk {
        private final IoLoop loop;
        private int milliseconds;

        DelayedDisk(VirtualDisk below, IoLoop loop, int milliseconds) {
            super(below);
            this.loop = loop;
            this.milliseconds = milliseconds;
        }

        @Override
        public void submit(Request request) {
            loop.schedule(() -> below().submit(request), milliseconds);
        }

        @Override
        public boolean set(Options options) throws DiskException {
            milliseconds = milliseconds(options);
            return true;
        }
    }
}
