package org.blktap.core;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.PassThroughDisk;

/** A filter with the options number, which it sets in place, and word, which it does not. */
final class TestFilter implements DiskFilter {
    /** Bytes at the beginning of the disk below that it does not show. */
    volatile long header;

    volatile boolean changesContents;
    volatile boolean throwing;
    /** Requests are held until the core wants them to end. */
    volatile boolean holding;
    /** It is at work on the image. */
    volatile boolean working;

    volatile int open;
    /** What was requested, by operation and number. */
    final List<String> seen = new ArrayList<>();

    final List<String> formatted = new ArrayList<>();

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        int number = context.options().number("number", 0, 0, 100);
        context.options().text("word", "");
        open++;
        return new Disk(below, number);
    }

    @Override
    public boolean changesContents() {
        return changesContents;
    }

    @Override
    public long sizeBelow(long sizeBytes, Options options) {
        return sizeBytes + header;
    }

    @Override
    public void format(VirtualDisk below, FilterContext context) {
        formatted.add(context.id() + " " + below.info().sizeBytes() + " "
                + context.options().text("label", ""));
    }

    private final class Disk extends PassThroughDisk {
        private final ArrayDeque<Request> held = new ArrayDeque<>();
        private int number;
        private boolean draining;

        Disk(VirtualDisk below, int number) {
            super(below);
            this.number = number;
        }

        @Override
        public DiskInfo info() {
            DiskInfo info = below().info();
            return header == 0 ? info : info.withSize(info.sizeBytes() - header);
        }

        @Override
        public long sizeBelow(long sizeBytes) {
            return sizeBytes + header;
        }

        @Override
        public void submit(Request request) {
            if (throwing) {
                throw new IllegalStateException("meant to fail");
            }
            seen.add(request.operation() + " " + number);
            if (holding && !draining) {
                held.add(request);
            } else {
                below().submit(request);
            }
        }

        @Override
        public void checkDetach() throws DiskException {
            if (working) {
                throw new DiskException(DiskException.Reason.BUSY, "meant to be at work");
            }
            super.checkDetach();
        }

        @Override
        public void draining(boolean begins) {
            draining = begins;
            while (begins && !held.isEmpty()) {
                below().submit(held.poll());
            }
            super.draining(begins);
        }

        @Override
        public boolean set(Options options) throws DiskException {
            if (!options.text("word", "").isEmpty()) {
                return false;
            }
            number = options.number("number", 0, 0, 100);
            return true;
        }

        @Override
        public Map<String, ?> stats() {
            return Map.of("number", number);
        }

        @Override
        public void close() {
            open--;
        }
    }
}
