package org.blktap.filter.fault;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.osgi.service.component.annotations.Component;

/** {@code --filter fault,errors=1}: a disk that fails now and then, for tests and rehearsals. */
@Component
@FilterType(type = "fault", summary = "errors, delays and outages, by operation, range and rate, to rehearse them")
public final class FaultFilter implements DiskFilter {
    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        Faults faults = Faults.of(context.options());
        try {
            // outages are timed by the loop's clock
            return context.loop().call(() -> new FaultyDisk(below, context.loop(), faults));
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
