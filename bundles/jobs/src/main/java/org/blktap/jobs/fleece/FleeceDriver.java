package org.blktap.jobs.fleece;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code tap:fleece:<attachment>[/<name>]}: the point in time of another attachment, read-only. */
@Component
@TapType(type = FleeceDriver.TYPE, summary = "a point in time of another attachment, kept by backup or expose")
public final class FleeceDriver implements DiskDriver {
    static final String TYPE = "fleece";
    private static final int PATIENCE_SECONDS = 30;

    private final FleeceFilter filter;

    @Activate
    public FleeceDriver(@Reference FleeceFilter filter) {
        this.filter = filter;
    }

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        if (!context.readOnly()) {
            throw new DiskException(
                    Reason.PERMISSION, "tap:fleece:" + path + ": a point in time is read only; attach it read-only");
        }
        int slash = path.indexOf('/');
        String id = slash < 0 ? path : path.substring(0, slash);
        String name = slash < 0 ? "" : path.substring(slash + 1);
        if (!id.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")) {
            throw new DiskException(
                    Reason.BAD_OPTION, "tap:fleece:" + path + ": expected <attachment> or <attachment>/<name>");
        }
        boolean changesOnly = context.options().flag("changes", false);
        boolean paced = context.options().flag("paced", false);
        int patience = context.options().number("patience", PATIENCE_SECONDS, 1, 86400);
        DiskInfo info = PointFile.info(filter.directory(), id, name);
        if (changesOnly && info.contexts().isEmpty()) {
            throw new DiskException(
                    Reason.BAD_OPTION, "tap:fleece:" + path + ": it is not known what has changed: there is no bitmap");
        }
        Map<String, String> details = new LinkedHashMap<>();
        details.put("point in time of", id);
        return new ViewDisk(
                "tap:fleece:" + path,
                info.withDetails(details),
                context.loop(),
                filter.point(id),
                changesOnly,
                paced,
                patience);
    }
}
