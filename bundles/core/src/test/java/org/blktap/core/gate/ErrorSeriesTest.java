package org.blktap.core.gate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.core.LogLines;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ErrorSeriesTest {
    private final LogLines log = new LogLines();
    private final List<ErrorReport> reports = new ArrayList<>();
    private final ArrayDeque<Runnable> timers = new ArrayDeque<>();
    private final IoLoop loop = (IoLoop) Proxy.newProxyInstance(
            ErrorSeriesTest.class.getClassLoader(),
            new Class<?>[] {IoLoop.class},
            (proxy, method, arguments) -> switch (method.getName()) {
                case "name" -> "blktap-vm1";
                case "inLoop" -> true;
                case "schedule" -> {
                    timers.add((Runnable) arguments[0]);
                    yield null;
                }
                default -> throw new AssertionError(method);
            });
    private final ErrorSeries series = new ErrorSeries(loop, reports::add);

    @AfterEach
    void stop() {
        log.close();
    }

    private void fail(Operation operation, long offset, int error) {
        Request request = new Request(ended -> {}, 1);
        request.set(operation, offset, 4096, 0);
        request.complete(error);
        series.failed(request);
    }

    @Test
    void theFirstThenACount() {
        for (int i = 0; i < 1000; i++) {
            fail(Operation.WRITE, i * 4096L, Errno.ENOSPC);
        }
        assertEquals(List.of("vm1: write of 4096 bytes at 0 failed: ENOSPC (no space left on device)"), log.all());
        log.clear();
        timers.remove().run();
        assertEquals(1, log.all().size());
        assertTrue(
                log.all()
                        .get(0)
                        .startsWith("vm1: 999 more of operation write failed within 10 s, the last at 4091904: ENOSPC"),
                () -> log.all().toString());
        log.clear();
        timers.remove().run();
        assertTrue(timers.isEmpty() && log.all().isEmpty(), "the series has ended");
        fail(Operation.WRITE, 0, Errno.EIO);
        assertEquals(1, log.all().size(), "and another begins");
    }

    @Test
    void aGuestsBadRequestsHideNothing() {
        for (int i = 0; i < 100; i++) {
            fail(Operation.READ, 1L << 60, Errno.EINVAL);
        }
        fail(Operation.READ, 0, Errno.EIO);
        assertEquals(2, log.all().size(), () -> log.all().toString());
        assertTrue(log.all().get(1).contains("EIO (I/O error)"), () -> log.all().toString());
    }

    @Test
    void aSeriesIsReportedEverMoreRarely() {
        for (int line = 0; line < 1000; line++) {
            fail(Operation.WRITE, 4096, Errno.ENOSPC);
            fail(Operation.WRITE, 8192, Errno.ENOSPC);
            if (line > 0) {
                timers.remove().run();
            }
        }
        assertEquals(ErrorReport.Stage.BEGINS, reports.get(0).stage());
        assertEquals(1, reports.get(0).count());
        assertTrue(reports.size() < 25, "reports of 10,000 s: " + reports.size());
        timers.remove().run();
        ErrorReport last = reports.get(reports.size() - 1);
        assertEquals(ErrorReport.Stage.ENDED, last.stage());
        assertEquals(2000, last.count());
        assertEquals(8192, last.offset());
        fail(Operation.WRITE, 0, Errno.EIO);
        assertEquals(1, reports.get(reports.size() - 1).count(), "another begins");
        int before = reports.size();
        timers.remove().run();
        assertEquals(before, reports.size(), "one error is one event");
    }
}
