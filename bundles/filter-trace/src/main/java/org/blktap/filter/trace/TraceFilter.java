package org.blktap.filter.trace;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.osgi.service.component.annotations.Component;

/** {@code --filter trace}: measures where the time of requests goes. */
@Component(service = {DiskFilter.class, TraceFilter.class})
@FilterType(type = TraceFilter.TYPE, summary = "measures where the time of requests goes, for the verb why")
public final class TraceFilter implements DiskFilter {
    static final String TYPE = "trace";

    /** Open disks, by the attachment's id. */
    private final ConcurrentMap<String, TracedDisk> open = new ConcurrentHashMap<>();

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        int slowest = TracedDisk.slowest(context.options());
        try {
            return context.loop().call(() -> {
                TracedDisk[] disk = new TracedDisk[1];
                disk[0] = new TracedDisk(below, context, slowest, () -> open.remove(context.id(), disk[0]));
                open.put(context.id(), disk[0]);
                return disk[0];
            });
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns the traced disk of an attachment, or null. */
    TracedDisk of(String id) {
        return open.get(id);
    }
}
