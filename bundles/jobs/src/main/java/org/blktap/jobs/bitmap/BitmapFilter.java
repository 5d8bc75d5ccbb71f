package org.blktap.jobs.bitmap;

import java.util.List;
import org.blktap.api.disk.DiskException;
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

/** {@code --filter bitmap,names=daily}: records in bitmaps what is written. */
@Component(service = {DiskFilter.class, BitmapFilter.class})
@FilterType(type = BitmapFilter.TYPE, summary = "records in dirty bitmaps what is written, for incremental backups")
public final class BitmapFilter implements DiskFilter {
    static final String TYPE = "bitmap";

    private final BitmapStore store;

    @Activate
    public BitmapFilter(@Reference Directories directories) {
        this(new BitmapStore(directories.data().resolve("bitmaps")));
    }

    BitmapFilter(BitmapStore store) {
        this.store = store;
    }

    /** The disks are closed. */
    @Deactivate
    void deactivate() {
        store.close();
    }

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        BitmapSettings settings = BitmapSettings.of(context.options());
        List<TrackedBitmap> bitmaps = store.openForDisk(
                context.id(), settings, below.info().sizeBytes(), ImageBitmaps.of(context.id(), below));
        return new BitmappedDisk(below, context.loop(), store, bitmaps, settings);
    }

    /** {@inheritDoc} An image says which of its bitmaps must record all writes. */
    @Override
    public String impliedBy(VirtualDisk disk) {
        List<String> names = ImageBitmaps.recording(disk, BitmapSettings.MOST);
        return names.isEmpty() ? null : BitmapSettings.spec(String.join(":", names), Bitmaps.newKey());
    }

    @Override
    public boolean onImage() {
        return true;
    }

    BitmapStore store() {
        return store;
    }
}
