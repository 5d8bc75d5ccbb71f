package org.blktap.core;

import java.nio.file.Path;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.NodeProvider;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/**
 * Work on images without attachments, for a process that does nothing else. Never enabled in the daemon, where the
 * {@link AttachmentManager} is the service of this kind.
 */
@Component(enabled = false, name = "org.blktap.core.OfflineImages")
public final class OfflineImages extends ImageWork {
    private final Services present;

    @Activate
    public OfflineImages(@Reference LoopFactory loops, @Reference NativeMemory memory) {
        this(new Services(loops, memory, new Registry<>("tap.type", "tap.summary"), new Registry<NodeProvider>("node.kind", "node.summary"),
                new Registry<>("engine.name", "engine.summary"), PathPolicy.of(System.getProperty("blktap.image.roots", "")),
                Path.of(System.getProperty("blktap.run.dir", "/run/blktap"))));
    }

    private OfflineImages(Services services) {
        super(services);
        present = services;
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void addDriver(DiskDriver driver, ServiceReference<DiskDriver> reference) {
        present.drivers().add(reference, driver);
    }

    void removeDriver(ServiceReference<DiskDriver> reference) {
        present.drivers().remove(reference);
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void addSimpleDriver(SimpleDriver driver, ServiceReference<SimpleDriver> reference) {
        present.drivers().add(reference, Drivers.of(driver));
    }

    void removeSimpleDriver(ServiceReference<SimpleDriver> reference) {
        present.drivers().remove(reference);
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void addEngine(IoEngine engine, ServiceReference<IoEngine> reference) {
        present.engines().add(reference, engine);
    }

    void removeEngine(ServiceReference<IoEngine> reference) {
        present.engines().remove(reference);
    }
}
