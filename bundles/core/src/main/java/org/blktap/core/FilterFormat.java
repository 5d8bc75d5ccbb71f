package org.blktap.core;

import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;

/** Prepares a new image for the filters that it will be attached with. For control threads. */
final class FilterFormat {
    private final List<FilterSpec> specs;
    private final List<Registry.Entry<DiskFilter>> services;
    /** One for each, in which the filter marks what it knows. */
    private final List<Options> options = new ArrayList<>();

    /** @param filters specs, from the image up */
    FilterFormat(List<String> filters, Registry<DiskFilter> present) throws DiskException {
        specs = FilterStack.parse(filters);
        services = FilterStack.find(specs, present);
        specs.forEach(each -> options.add(new Options(each.options())));
    }

    boolean isEmpty() {
        return specs.isEmpty();
    }

    /** The size that the image must have for VMs to see a size. */
    long sizeBelow(long sizeBytes) throws DiskException {
        long size = sizeBytes;
        for (int i = specs.size() - 1; i >= 0; i--) {
            size = services.get(i).service().sizeBelow(size, options.get(i));
        }
        return size;
    }

    /** Has each filter write what it stores, on the disk as the filters below show it. */
    void run(VirtualDisk image, FilterMeans means) throws DiskException {
        LoopCalls calls = means.calls();
        List<OpenFilter> opened = new ArrayList<>();
        try {
            VirtualDisk disk = image;
            for (int i = 0; i < specs.size(); i++) {
                OtherDisks others = new OtherDisks(specs.get(i).type(), means);
                try {
                    services.get(i)
                            .service()
                            .format(disk, new OpenFilter.Context(false, options.get(i), means, others));
                } finally {
                    calls.run(others::close);
                }
                // also the uppermost: what cannot be opened was not created
                opened.add(OpenFilter.open(specs.get(i), options.get(i), services.get(i), disk, means));
                disk = opened.get(i).disk();
            }
            new BlockingDisk(disk, calls.loop(), calls.id()).flush();
        } finally {
            for (int i = opened.size() - 1; i >= 0; i--) {
                opened.get(i).close(calls);
            }
        }
    }
}
