package org.blktap.api.filter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.junit.jupiter.api.Test;

class PassThroughDiskTest {
    /** Records the calls that it gets, and completes no request by itself. */
    private static final class Noted implements VirtualDisk {
        final List<String> calls = new ArrayList<>();
        final List<Request> requests = new ArrayList<>();
        final DiskInfo info = DiskInfo.ofSize(1 << 20).with(Operation.DISCARD);

        @Override
        public DiskInfo info() {
            return info;
        }

        @Override
        public void submit(Request request) {
            requests.add(request);
        }

        @Override
        public void draining(boolean begins) {
            calls.add("draining " + begins);
        }

        @Override
        public boolean savesAtDetach() {
            return true;
        }

        @Override
        public void beforeDetach() {
            calls.add("before detach");
        }

        @Override
        public void close() {
            calls.add("close");
        }
    }

    private static final class Nothing extends PassThroughDisk {
        Nothing(VirtualDisk below) {
            super(below);
        }
    }

    /** Sends another request for each, at a later offset. */
    private static final class Shifts extends PassThroughDisk {
        private final List<Substitute> free = new ArrayList<>();

        Shifts(VirtualDisk below) {
            super(below);
        }

        @Override
        public void submit(Request request) {
            Substitute substitute = free.isEmpty() ? new Substitute(this::ended) : free.remove(0);
            below().submit(substitute.of(request, request.offset() + 4096));
        }

        private void ended(Request ended) {
            Substitute substitute = (Substitute) ended;
            Request original = substitute.release();
            free.add(substitute);
            original.complete(ended.error());
        }
    }

    private final Noted disk = new Noted();

    @Test
    void passesEverythingOnExceptTheClose() throws Exception {
        PassThroughDisk filter = new Nothing(disk);
        assertSame(disk.info, filter.info());
        assertTrue(filter.savesAtDetach());
        filter.beforeDetach();
        filter.draining(true);
        filter.draining(false);
        for (Operation each : Operation.values()) {
            Request request = new Request(done -> {}, 1).set(each, 512, 512, Request.FUA);
            filter.submit(request);
            assertSame(request, disk.requests.get(disk.requests.size() - 1));
        }
        filter.close();
        assertEquals(List.of("before detach", "draining true", "draining false"), disk.calls);
        assertEquals(512, filter.sizeBelow(512));
        assertFalse(filter.set(Options.none()));
        Noted other = new Noted();
        filter.setBelow(other);
        assertSame(other, filter.below());
        assertSame(other.info, filter.info());
    }

    @Test
    void aSubstituteCarriesAllOfARequestAndItsResult() {
        PassThroughDisk filter = new Shifts(disk);
        List<Request> ended = new ArrayList<>();
        Request read = new Request(ended::add, 2);
        read.data().add(4096, 512);
        read.data().add(8192, 512);
        filter.submit(read.set(Operation.READ, 1024, 1024, Request.SPARSE));
        Substitute sent = (Substitute) disk.requests.get(0);
        assertSame(read, sent.original());
        assertEquals("READ 5120+1024", sent.toString());
        assertEquals(Request.SPARSE, sent.flags());
        assertEquals("2 pieces, 1024 bytes", sent.data().toString());
        sent.markZeros();
        sent.complete(0);
        assertEquals(List.of(read), ended);
        assertTrue(read.zeros());
        assertNull(sent.original());

        ExtentList extents = new ExtentList();
        filter.submit(read.setMap(0, 512, extents));
        assertSame(sent, disk.requests.get(1), "it is used again");
        assertSame(extents, sent.extents());
        sent.complete(Errno.EIO);
        assertEquals(Errno.EIO, read.error());
        assertFalse(read.zeros());

        read.set(Operation.WRITE_ZEROES, 0, 512, Request.NO_UNMAP | Request.FUA);
        filter.submit(read);
        assertEquals(Request.NO_UNMAP | Request.FUA, sent.flags());
        assertEquals(0, sent.data().total());
    }
}
