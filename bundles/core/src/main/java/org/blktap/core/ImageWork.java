package org.blktap.core;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.List;
import java.util.Map;
import org.blktap.api.control.Images;
import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.core.copy.CompressedCopy;
import org.blktap.core.copy.CopyDifferences;
import org.blktap.core.copy.DiskCopy;
import org.blktap.core.copy.DiskCopy.Unwritten;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * Works on images that are not attached, in the daemon or in a process of its own. Each piece of work has its own loop
 * while it runs.
 */
@Component
public final class ImageWork implements Images {
    private final LoopFactory loops;
    private final NativeMemory memory;
    private final InstalledServices installed;
    private final CoreConfiguration configuration;

    @Activate
    public ImageWork(
            @Reference LoopFactory loops,
            @Reference NativeMemory memory,
            @Reference InstalledServices installed,
            @Reference CoreConfiguration configuration) {
        this.loops = loops;
        this.memory = memory;
        this.installed = installed;
        this.configuration = configuration;
    }

    private interface Making {
        void run(OpenContext context) throws DiskException;
    }

    @Override
    public void create(
            TapSpec spec,
            long sizeBytes,
            TapSpec backing,
            boolean reserve,
            Map<String, String> given,
            List<String> filters)
            throws DiskException {
        DiskDriver driver = driver(spec);
        FilterFormat format = new FilterFormat(filters, installed.filters());
        if (!format.isEmpty() && backing != null) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "an image with a backing has what its filters store from there; create it without filters");
        }
        long imageBytes = format.sizeBelow(sizeBytes);
        with(installed.engineFor(spec.type()), desk -> {
            Options options = new Options(given);
            make(desk.context(false, options), context -> {
                driver.create(spec.path(), imageBytes, backing, context);
                options.checkAllKnown("tap:" + spec.type());
                if (reserve || !format.isEmpty()) {
                    VirtualDisk disk = driver.open(spec.path(), context);
                    try {
                        if (reserve) {
                            BlockingDisk whole = new BlockingDisk(disk, desk.loop(), spec);
                            whole.zero(0, disk.info().sizeBytes());
                            whole.flush();
                        }
                        format.run(
                                disk,
                                new FilterMeans(
                                        new LoopCalls(spec.toString(), desk.loop(), () -> 0),
                                        memory,
                                        new WatchedFile.Watch(),
                                        desk.environment()));
                    } finally {
                        desk.close(disk);
                    }
                }
            });
            return null;
        });
    }

    @Override
    public void createFor(DiskInfo source, TapSpec spec, Map<String, String> given) throws DiskException {
        DiskDriver driver = driver(spec);
        with(installed.engineFor(spec.type()), desk -> {
            Options options = new Options(given);
            make(desk.context(false, options), context -> {
                driver.createFor(source, spec.path(), context);
                options.checkAllKnown("tap:" + spec.type());
            });
            return null;
        });
    }

    /** Gives new files their names if the work succeeds, and removes them otherwise. */
    private static void make(OpenContext context, Making making) throws DiskException {
        try (CloseOnFailure opened = new CloseOnFailure(context::undo)) {
            making.run(context);
            context.nameCreated();
            opened.keep();
        }
    }

    @Override
    public CheckReport check(TapSpec spec, boolean repair, Map<String, String> given) throws DiskException {
        DiskDriver driver = driver(spec);
        return with(installed.engineFor(spec.type()), desk -> {
            Options options = new Options(given);
            CheckReport report = driver.check(spec.path(), desk.context(!repair, options));
            options.checkAllKnown("tap:" + spec.type());
            return report;
        });
    }

    @Override
    public void resize(TapSpec spec, long sizeBytes, Map<String, String> given) throws DiskException {
        DiskDriver driver = driver(spec);
        DiskInfo.checkSize(spec, sizeBytes, SECTOR, SECTOR, Long.MAX_VALUE);
        with(installed.engineFor(spec.type()), desk -> {
            checkOptions(desk, driver, spec, given);
            driver.resize(spec.path(), sizeBytes, desk.context(false, new Options(given)));
            return null;
        });
    }

    @Override
    public void remove(TapSpec spec, Map<String, String> given) throws DiskException {
        DiskDriver driver = driver(spec);
        with(installed.engineFor(spec.type()), desk -> {
            driver.remove(spec.path(), desk.context(false, OpenImage.options(given)));
            return null;
        });
    }

    void rebase(Rebase change) throws DiskException {
        with(installed.engineFor(change.overlay().type()), desk -> {
            change.run(desk.environment());
            return null;
        });
    }

    /** Checks the options, before anything is changed. */
    private static void checkOptions(ImageDesk desk, DiskDriver driver, TapSpec spec, Map<String, String> given)
            throws DiskException {
        Options options = new Options(given);
        // what resizing takes besides what opening does
        options.text("shrink", null);
        VirtualDisk disk = driver.open(spec.path(), desk.context(true, options));
        try {
            options.checkAllKnown("tap:" + spec.type());
        } finally {
            desk.close(disk);
        }
    }

    @Override
    public DiskInfo info(TapSpec spec, Map<String, String> options) throws DiskException {
        return reading(spec, options, (desk, disk) -> disk.info());
    }

    @Override
    public void map(TapSpec spec, Map<String, String> options, Extents to) throws DiskException {
        reading(spec, options, (desk, disk) -> {
            BlockingDisk access = new BlockingDisk(disk, desk.loop(), spec);
            ExtentList extents = new ExtentList();
            long size = disk.info().sizeBytes();
            long start = 0;
            long at = 0;
            int state = -1;
            while (at < size) {
                access.map(at, size - at, extents);
                for (int i = 0; i < extents.count(); i++) {
                    if (extents.state(i) != state && at > start) {
                        to.extent(start, at - start, state);
                        start = at;
                    }
                    state = extents.state(i);
                    at += extents.length(i);
                }
            }
            if (size > start) {
                to.extent(start, size - start, state);
            }
            return null;
        });
    }

    @Override
    public void convert(Conversion conversion, Progress progress) throws DiskException {
        TapSpec target = conversion.to();
        DiskDriver driver = driver(target);
        // each disk on a loop of its own
        reading(
                conversion.from(),
                conversion.fromOptions(),
                (source, from) -> with(installed.engineFor(target.type()), desk -> {
                    Options options = new Options(conversion.toOptions());
                    OpenContext context = desk.context(false, options);
                    if (conversion.onto() != null
                            && (conversion.compressed() || PathPolicy.isBlockDevice(FileNames.path(target.path())))) {
                        throw new DiskException(
                                Reason.BAD_OPTION,
                                target + ": an image on a backing is a new file, and not compressed");
                    }
                    boolean device =
                            !conversion.compressed() && PathPolicy.isBlockDevice(FileNames.path(target.path()));
                    if (conversion.compressed()) {
                        make(context, making -> {
                            try (CompressedImage image = driver.createCompressed(
                                    target.path(), from.info().sizeBytes(), making)) {
                                options.checkAllKnown("tap:" + target.type());
                                new CompressedCopy(from, conversion.from(), image, target, source.loop(), memory)
                                        .run(progress);
                            }
                        });
                    } else if (device) {
                        // a file that takes its name meanwhile is not overwritten
                        context.devicesOnly();
                        copy(source, from, desk, conversion, driver, context, Unwritten.ANYTHING, progress);
                    } else {
                        make(context, making -> {
                            boolean whole = conversion.onto() == null;
                            if (whole) {
                                driver.createFor(from.info(), target.path(), making);
                            } else {
                                driver.create(target.path(), from.info().sizeBytes(), conversion.onto(), making);
                            }
                            copy(
                                    source,
                                    from,
                                    desk,
                                    conversion,
                                    driver,
                                    making,
                                    whole ? Unwritten.ZEROS : Unwritten.BACKING,
                                    progress);
                            if (from.info().contentBytes() < from.info().sizeBytes()) {
                                driver.endInside(target.path(), from.info().contentBytes(), making);
                            }
                        });
                    }
                    new CopyDifferences(
                                    conversion.from(),
                                    from.info(),
                                    target,
                                    made(desk, driver, target, conversion.toOptions()))
                            .report(device, progress);
                    return null;
                }));
    }

    /** What others will find. */
    private static DiskInfo made(ImageDesk desk, DiskDriver driver, TapSpec target, Map<String, String> options)
            throws DiskException {
        VirtualDisk disk = driver.open(target.path(), desk.context(true, new Options(options)));
        try {
            return disk.info();
        } finally {
            desk.close(disk);
        }
    }

    private void copy(
            ImageDesk source,
            VirtualDisk from,
            ImageDesk desk,
            Conversion conversion,
            DiskDriver driver,
            OpenContext context,
            Unwritten unwritten,
            Progress progress)
            throws DiskException {
        TapSpec target = conversion.to();
        VirtualDisk to = driver.open(target.path(), context);
        try {
            context.options().checkAllKnown("tap:" + target.type());
            if (to.info().sizeBytes() < from.info().sizeBytes()) {
                throw new DiskException(
                        Reason.NO_SPACE,
                        target + ": has " + to.info().sizeBytes() + " bytes, less than the "
                                + from.info().sizeBytes() + " of " + conversion.from());
            }
            try (DiskCopy copy =
                    new DiskCopy(from, conversion.from(), source.loop(), to, target, desk.loop(), unwritten, memory)) {
                copy.run(progress);
            }
        } finally {
            desk.close(to);
        }
    }

    private interface Reading<T> {
        T run(ImageDesk desk, VirtualDisk disk) throws DiskException;
    }

    private <T> T reading(TapSpec spec, Map<String, String> given, Reading<T> work) throws DiskException {
        return with(installed.engineFor(spec.type()), desk -> {
            Options options = new Options(given);
            OpenContext context = desk.context(true, options);
            VirtualDisk disk = context.open(spec.type(), spec.path());
            try {
                options.checkAllKnown("tap:" + spec.type());
                context.checkBackingTypes();
                return work.run(desk, disk);
            } finally {
                desk.close(disk);
            }
        });
    }

    private DiskDriver driver(TapSpec spec) throws DiskException {
        return OpenContext.driver(installed.drivers(), spec.type()).service();
    }

    private <T> T with(Registry.Entry<IoEngine> engine, ImageDesk.Work<T> work) throws DiskException {
        return ImageDesk.with(loops, memory, installed.drivers(), configuration.paths(), engine, work);
    }
}
