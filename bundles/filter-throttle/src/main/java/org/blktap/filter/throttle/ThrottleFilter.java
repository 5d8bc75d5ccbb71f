package org.blktap.filter.throttle;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.osgi.service.component.annotations.Component;

/** {@code --filter throttle,iops=2000}: limits a disk, or several disks together, to a rate. */
@Component
@FilterType(type = "throttle", summary = "limits operations and bytes a second, of one disk or a group")
public final class ThrottleFilter implements DiskFilter {
    private final Groups groups = new Groups();

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        Settings settings = Settings.of(context.options());
        try {
            // the buckets use the loop's clock
            return context.loop().call(() -> new ThrottledDisk(below, context.loop(), groups, settings));
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
