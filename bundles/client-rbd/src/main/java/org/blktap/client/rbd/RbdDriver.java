package org.blktap.client.rbd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.lang.System.Logger.Level;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.linux.LibRbd;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.condition.Condition;

/** {@code tap:rbd:<pool>/<image>[@snapshot]}: an image of a Ceph cluster. */
@Component(service = DiskDriver.class, configurationPid = RbdSettings.PID)
@TapType(type = RbdDriver.TYPE, summary = "an image of a Ceph cluster")
public final class RbdDriver implements DiskDriver {
    static final String TYPE = "rbd";
    /** How long an open waits for an earlier close of the image, and the end of the driver for all closes. */
    private static final long CLOSING_SECONDS = 10;

    private final Closings closings = new Closings();
    private volatile RbdSettings settings;

    /** @param present registered while librbd is present */
    @Activate
    public RbdDriver(
            @Reference(target = "(osgi.condition.id=" + RbdPresence.ID + ")") Condition present, RbdSettings settings) {
        this.settings = settings;
    }

    @Modified
    public void configure(RbdSettings changed) {
        settings = changed;
    }

    /** Waits for images that are being closed, so that others find their locks free. */
    @Deactivate
    public void stop() {
        try {
            closings.awaitAll(CLOSING_SECONDS);
        } catch (DiskException e) {
            // interrupted: they are closed later
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        RbdName name = RbdName.parse(path);
        ClusterOptions options = ClusterOptions.of(context.options(), settings);
        boolean shared = context.options().flag("shared", false);
        if (name.snapshot() != null && !context.readOnly()) {
            throw new DiskException(Reason.PERMISSION, name + ": a snapshot is read-only; attach it read-only");
        }
        closings.await(name.whole(), CLOSING_SECONDS);
        RbdImage image = RbdImage.open(name, options, context.readOnly());
        try (CloseOnFailure opened = new CloseOnFailure(image::close)) {
            boolean locked = lock(image, context.readOnly(), shared);
            RbdDisk disk = new RbdDisk(image, locked, context, queue -> {
                closings.begin(name.whole());
                context.loop()
                        .offload(
                                () -> {
                                    try {
                                        image.close();
                                        queue.free();
                                    } finally {
                                        closings.end(name.whole());
                                    }
                                    return 0;
                                },
                                errno -> {});
            });
            context.loop().call(() -> {
                disk.start();
                return null;
            });
            return opened.keep(disk);
        } catch (IOException e) {
            throw DiskException.io(name, "open", e);
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw DiskException.io(name, "start", e);
        }
    }

    /**
     * Takes the lock of an image that is opened for writing, and refuses to read an image that another client writes.
     *
     * @param shared whether an image that has no lock may be written
     * @return whether the image has its lock
     */
    private static boolean lock(RbdImage image, boolean readOnly, boolean shared) throws DiskException {
        long features = image.features();
        boolean lockable = (features & LibRbd.FEATURE_EXCLUSIVE_LOCK) != 0;
        if (image.name().snapshot() != null) {
            return false;
        }
        if (readOnly) {
            if (lockable && !shared) {
                image.checkNotLocked();
            }
            return false;
        }
        if ((features & LibRbd.FEATURE_NON_PRIMARY) != 0) {
            throw new DiskException(
                    Reason.PERMISSION, image.name() + ": is a mirror of another cluster's image; attach it read-only");
        }
        if (!lockable && !shared) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    image.name() + ": has no feature exclusive-lock, so that nothing keeps other hosts from writing it;"
                            + " enable it (rbd feature enable), or give -o shared=yes");
        }
        if (lockable) {
            image.lock();
        }
        return lockable;
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        RbdName name = whole(path);
        ClusterOptions options = ClusterOptions.of(context.options(), settings);
        long objectBytes = context.options().size("object-size", 0, 0, 32 << 20);
        if (objectBytes != 0 && (objectBytes < 4096 || Long.bitCount(objectBytes) != 1)) {
            throw Options.bad("object-size", Options.sizeText(objectBytes), "a power of two from 4K to 32M");
        }
        String dataPool = context.options().text("data-pool", "");
        if (sizeBytes < 0 == (backing == null)) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    name + (backing == null ? ": a size is needed" : ": an overlay has the size of its snapshot"));
        }
        RbdCreate creation = new RbdCreate(name, options, objectBytes, dataPool);
        if (backing == null) {
            DiskInfo.checkSize(name, sizeBytes, SECTOR, SECTOR, Long.MAX_VALUE);
            creation.create(sizeBytes);
        } else if (backing.type().equals(TYPE)) {
            creation.overlay(RbdName.parse(backing.path()));
        } else {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    name + ": overlays snapshots of images of the cluster, not tap:" + backing.type());
        }
        context.onFailedCreation(() -> {
            try {
                remove(name, options);
            } catch (DiskException e) {
                System.getLogger("org.blktap.client.rbd")
                        .log(Level.WARNING, e.getMessage() + "; its creation has failed, and it stays");
            }
        });
    }

    @Override
    public void remove(String path, DiskContext context) throws DiskException {
        remove(whole(path), ClusterOptions.of(context.options(), settings));
    }

    private void remove(RbdName name, ClusterOptions options) throws DiskException {
        closings.await(name.whole(), CLOSING_SECONDS);
        try (Cluster cluster = Cluster.connect(name, options)) {
            int result = LibRbd.rbd_remove(cluster.pool(), Native.text(name.image()));
            RbdErrors.check(name, "cannot be removed", result);
        }
    }

    private static RbdName whole(String path) throws DiskException {
        RbdName name = RbdName.parse(path);
        if (name.snapshot() != null) {
            throw new DiskException(Reason.BAD_OPTION, name + ": is a snapshot, which does not change");
        }
        return name;
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        RbdName name = whole(path);
        ClusterOptions options = ClusterOptions.of(context.options(), settings);
        boolean shrink = context.options().flag("shrink", false);
        boolean shared = context.options().flag("shared", false);
        closings.await(name.whole(), CLOSING_SECONDS);
        try (RbdImage image = RbdImage.open(name, options, false)) {
            lock(image, false, shared);
            if (sizeBytes < image.sizeBytes() && !shrink) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        name + ": " + Options.sizeText(sizeBytes) + " is smaller than the present "
                                + Options.sizeText(image.sizeBytes())
                                + ", and what is past it would be lost; add -o shrink=yes to shrink it");
            }
            RbdErrors.check(name, "cannot be resized", LibRbd.rbd_resize(image.handle(), sizeBytes));
        }
    }
}
