package org.blktap.jobs.fleece;

import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.settings.Directories;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/** The filter fleece, which {@code backup} and {@code expose} add: keeps a point in time of the disk below. */
@Component(service = {DiskFilter.class, FleeceFilter.class})
@FilterType(type = FleeceFilter.TYPE, summary = "keeps a point in time of the disk, for the verbs backup and expose")
public final class FleeceFilter implements DiskFilter {
    static final String TYPE = "fleece";
    private final Path directory;
    private final ConcurrentMap<String, Point> points = new ConcurrentHashMap<>();
    /** Identifies this run of the bundle: what depends on another run is lost. */
    private final String run = UUID.randomUUID().toString();

    @Activate
    public FleeceFilter(@Reference Directories directories) {
        directory = directories.data().resolve("fleece");
    }

    @Deactivate
    void deactivate() {
        points.values().forEach(Point::end);
    }

    /** The directory with the files of points in time. */
    Path directory() {
        return directory;
    }

    /** The mark of what depends on this run of the bundle. */
    String run() {
        return run;
    }

    /** Returns the object by which readers reach the disk of an attachment. */
    Point point(String id) {
        return points.computeIfAbsent(id, any -> new Point());
    }

    @Override
    public boolean onImage() {
        return true;
    }

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        String name = context.options().text("name", null);
        if (name == null) {
            throw new DiskException(
                    Reason.BAD_OPTION, "filter fleece: it is added by the verbs backup and expose, not by hand");
        }
        FleeceLimits limits = FleeceLimits.of(context.options());
        PointFile file;
        try {
            file = PointFile.open(directory, context.id(), name, below.info(), run);
        } catch (DiskException e) {
            return new LostPoint(below, context.id(), name, e.getMessage());
        }
        try {
            return context.loop().call(() -> {
                Point point = point(context.id());
                FleeceDisk disk = new FleeceDisk(below, context, file, point, limits);
                point.entered(disk);
                return disk;
            });
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        } catch (Exception e) {
            file.close();
            throw new IllegalStateException(e);
        }
    }
}
