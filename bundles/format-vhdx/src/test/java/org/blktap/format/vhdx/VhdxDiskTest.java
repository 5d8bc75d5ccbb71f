package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.junit.jupiter.api.Test;

class VhdxDiskTest {
    /** The ends of the marks that are under way. */
    private final ArrayDeque<IoCallback> marks = new ArrayDeque<>();

    private final List<Integer> errors = new ArrayList<>();
    private final IoLoop loop = (IoLoop) Proxy.newProxyInstance(
            getClass().getClassLoader(), new Class<?>[] {IoLoop.class}, (proxy, method, arguments) -> {
                assertEquals("offload", method.getName());
                marks.add((IoCallback) arguments[1]);
                return null;
            });
    private final VirtualDisk changed = new VirtualDisk() {
        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(1 << 20);
        }

        @Override
        public void submit(Request request) {
            request.complete(0);
        }

        @Override
        public void close() {
            // nothing is open
        }
    };
    private final VhdxDisk disk = new VhdxDisk(changed, null, loop);

    private static Request set(Request request) {
        return request.set(Operation.DISCARD, 0, 512, 0);
    }

    @Test
    void anImageIsMarkedOnceAtATimeThoughAChangeThatFailedComesAgainAtOnce() {
        disk.submit(set(new Request(
                ended -> {
                    errors.add(ended.error());
                    if (errors.size() == 1) {
                        disk.submit(set(ended));
                    }
                },
                0)));
        disk.submit(set(new Request(ended -> errors.add(ended.error()), 0)));
        assertEquals(1, marks.size());
        marks.poll().done(Errno.EIO);
        assertEquals(List.of(Errno.EIO, Errno.EIO), errors);
        assertEquals(1, marks.size(), "tried again, once");
        marks.poll().done(0);
        assertEquals(List.of(Errno.EIO, Errno.EIO, 0), errors);

        VhdxDisk alone = new VhdxDisk(changed, null, loop);
        errors.clear();
        alone.submit(set(new Request(
                ended -> {
                    errors.add(ended.error());
                    if (errors.size() == 1) {
                        alone.submit(set(ended));
                    }
                },
                0)));
        marks.poll().done(Errno.EIO);
        assertEquals(1, marks.size(), "tried again, once");
    }
}
