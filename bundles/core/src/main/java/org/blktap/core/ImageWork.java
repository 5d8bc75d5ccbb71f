package org.blktap.core;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;

/** Work on images that are not attached, each on a loop of its own for as long as it takes. */
final class ImageWork implements Images {
    private final Services services;

    ImageWork(Services services) {
        this.services = services;
    }

    private interface Work<T> {
        T run(DiskDriver driver, OpenContext context) throws DiskException;
    }

    @Override
    public void create(TapSpec spec, long sizeBytes, TapSpec backing, Map<String, String> options) throws DiskException {
        with(spec, false, options, (driver, context) -> {
            boolean done = false;
            try {
                driver.create(spec.path(), sizeBytes, backing, context);
                context.options().checkAllKnown("tap:" + spec.type());
                context.nameCreated();
                done = true;
            } finally {
                if (!done) {
                    context.undo();
                }
            }
            return null;
        });
    }

    @Override
    public CheckReport check(TapSpec spec, boolean repair, Map<String, String> options) throws DiskException {
        return with(spec, !repair, options, (driver, context) -> {
            CheckReport report = driver.check(spec.path(), context);
            context.options().checkAllKnown("tap:" + spec.type());
            return report;
        });
    }

    private <T> T with(TapSpec spec, boolean readOnly, Map<String, String> given, Work<T> work) throws DiskException {
        DiskDriver driver = OpenContext.driver(services.drivers(), spec.type()).service();
        Registry.Entry<IoEngine> engine = services.engines().best();
        if (engine == null) {
            throw new DiskException(Reason.WRONG_TYPE, "no I/O engine is present");
        }
        Options options = new Options(given);
        List<AutoCloseable> kept = new ArrayList<>();
        try (IoLoop loop = services.loops().start("blktap-image")) {
            IoQueue queue = call(loop, () -> engine.service().open(loop));
            try {
                return work.run(driver, new OpenContext(new OpenContext.Environment(loop, queue, services.memory(),
                        services.drivers(), services.paths(), new HashSet<>(), kept), readOnly, options));
            } finally {
                call(loop, () -> {
                    queue.close();
                    return null;
                });
                for (AutoCloseable resource : kept) {
                    close(resource);
                }
            }
        }
    }

    private static void close(AutoCloseable resource) throws DiskException {
        try {
            resource.close();
        } catch (Exception e) {
            throw new DiskException(Reason.IO, "closing: " + e, e);
        }
    }

    private static <T> T call(IoLoop loop, java.util.concurrent.Callable<T> task) throws DiskException {
        try {
            return loop.call(task);
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new DiskException(Reason.IO, e.toString(), e);
        }
    }
}
