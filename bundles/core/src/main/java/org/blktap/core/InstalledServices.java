package org.blktap.core;

import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.filter.DiskFilter;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/**
 * The drivers, filters and I/O engines that are installed at present: what disks are opened with. A service is released
 * when its remove method returns, see {@link Registry.Follower}. Any thread.
 */
@Component(service = InstalledServices.class, immediate = true)
public final class InstalledServices {
    private final Registry<DiskDriver> drivers = new Registry<>("tap.type", "tap.summary");
    private final Registry<DiskFilter> filters = new Registry<>("filter.type", "filter.summary");
    private final Registry<IoEngine> engines = new Registry<>("engine.name", "engine.summary");

    @Reference(
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addDriver(DiskDriver driver, ServiceReference<DiskDriver> reference) {
        drivers.add(reference, driver);
    }

    void removeDriver(ServiceReference<DiskDriver> reference) {
        drivers.remove(reference);
    }

    @Reference(
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addSimpleDriver(SimpleDriver driver, ServiceReference<SimpleDriver> reference) {
        drivers.add(reference, SimpleDrivers.of(driver));
    }

    void removeSimpleDriver(ServiceReference<SimpleDriver> reference) {
        drivers.remove(reference);
    }

    @Reference(
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addEngine(IoEngine engine, ServiceReference<IoEngine> reference) {
        engines.add(reference, engine);
    }

    void removeEngine(ServiceReference<IoEngine> reference) {
        engines.remove(reference);
    }

    @Reference(
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addFilter(DiskFilter filter, ServiceReference<DiskFilter> reference) {
        filters.add(reference, filter);
    }

    void removeFilter(ServiceReference<DiskFilter> reference) {
        filters.remove(reference);
    }

    Registry<DiskDriver> drivers() {
        return drivers;
    }

    Registry<DiskFilter> filters() {
        return filters;
    }

    Registry<IoEngine> engines() {
        return engines;
    }

    /**
     * The engine that a type of disk asks for, or the best; null if none is present. Waits for one that is being
     * replaced; not for a loop.
     */
    Registry.Entry<IoEngine> engineFor(String type) {
        Registry.Entry<DiskDriver> driver = drivers.awaited(type);
        Registry.Entry<IoEngine> asked =
                driver != null && driver.reference().getProperty("tap.engine") instanceof String name
                        ? engines.awaited(name)
                        : null;
        return asked == null ? engines.awaitedBest() : asked;
    }
}
