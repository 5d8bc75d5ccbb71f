package org.blktap.core;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.NodeProvider;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/**
 * The core as a service: commands, and the drivers, engines and nodes that come and go. A service that goes is released when no attachment uses it any
 * more: its unbind method parks them first, and cuts off what does not release it in time.
 */
@Component(immediate = true)
public final class AttachmentManager implements Attachments, Images {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private final Registry<DiskDriver> drivers = new Registry<>("tap.type", "tap.summary");
    private final Registry<NodeProvider> providers = new Registry<>("node.kind", "node.summary");
    private final Registry<IoEngine> engines = new Registry<>("engine.name", "engine.summary");
    private LoopFactory loops;
    private NativeMemory memory;
    private AttachmentTable table;
    private volatile boolean stopped;
    private ImageWork images;

    @Reference
    void setLoops(LoopFactory factory) {
        loops = factory;
    }

    @Reference
    void setMemory(NativeMemory nativeMemory) {
        memory = nativeMemory;
    }

    @Activate
    void activate() throws IOException {
        Path runDir = Path.of(System.getProperty("blktap.run.dir", "/run/blktap"));
        Path dataDir = Path.of(System.getProperty("blktap.data.dir", "data"));
        Files.createDirectories(runDir);
        Services services = new Services(loops, memory, drivers, providers, engines,
                PathPolicy.of(System.getProperty("blktap.image.roots", "")), runDir);
        images = new ImageWork(services);
        table = new AttachmentTable(services, new Records(dataDir.resolve("attachments")));
        table.restore();
    }

    @Deactivate
    void deactivate() {
        stopped = true;
        table.shutDown();
    }

    // ---- services that come and go

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addDriver(DiskDriver driver, ServiceReference<DiskDriver> reference) {
        driverCame(drivers.add(reference, driver));
    }

    void removeDriver(ServiceReference<DiskDriver> reference) {
        driverGone(drivers.remove(reference));
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addSimpleDriver(SimpleDriver driver, ServiceReference<SimpleDriver> reference) {
        driverCame(drivers.add(reference, Drivers.of(driver)));
    }

    void removeSimpleDriver(ServiceReference<SimpleDriver> reference) {
        driverGone(drivers.remove(reference));
    }

    private void driverCame(Registry.Entry<DiskDriver> entry) {
        if (entry != null && table != null) {
            table.driverCame(entry.name());
        }
        came(entry, "driver of tap:");
    }

    private void driverGone(Registry.Entry<DiskDriver> gone) {
        gone(gone, "driver of tap:", attachment -> attachment.serviceLoss().driverGone(gone));
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addEngine(IoEngine engine, ServiceReference<IoEngine> reference) {
        came(engines.add(reference, engine), "I/O engine ");
    }

    void removeEngine(ServiceReference<IoEngine> reference) {
        Registry.Entry<IoEngine> gone = engines.remove(reference);
        gone(gone, "I/O engine ", attachment -> attachment.serviceLoss().engineGone(gone));
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addNodeProvider(NodeProvider provider, ServiceReference<NodeProvider> reference) {
        came(providers.add(reference, provider), "node kind ");
    }

    void removeNodeProvider(ServiceReference<NodeProvider> reference) {
        Registry.Entry<NodeProvider> gone = providers.remove(reference);
        gone(gone, "node kind ", attachment -> attachment.serviceLoss().providerGone(gone));
    }

    /** A service's registration does not wait for disks. */
    private void came(Registry.Entry<?> entry, String what) {
        if (entry != null) {
            LOG.log(Level.INFO, what + entry.name() + " is here");
            if (table != null) {
                table.retry();
            }
        }
    }

    private void gone(Registry.Entry<?> entry, String what, Function<Attachment, CompletableFuture<Boolean>> leaving) {
        // the services of a daemon that stops go without a word
        if (entry != null && !stopped) {
            LOG.log(Level.INFO, what + entry.name() + " goes");
            if (table != null) {
                table.leave("the " + what + entry.name(), leaving);
            }
        }
    }

    // ---- commands

    @Override
    public AttachmentStatus attach(AttachRequest request) throws DiskException {
        return table.attach(request);
    }

    @Override
    public void detach(String id, boolean force) throws DiskException {
        table.detach(id, force);
    }

    @Override
    public List<AttachmentStatus> list() {
        return table.list();
    }

    @Override
    public AttachmentStatus status(String id) throws DiskException {
        return table.status(id);
    }

    @Override
    public AttachmentStats stats(String id) throws DiskException {
        return table.find(id).view().stats();
    }

    @Override
    public void park(String id) throws DiskException {
        table.find(id).parkByOperator();
    }

    @Override
    public void resume(String id) throws DiskException {
        table.find(id).resumeByOperator();
    }

    @Override
    public void resume(String id, TapSpec image) throws DiskException {
        table.find(id).image().resumeOn(image);
        LOG.log(Level.INFO, id + ": goes on with " + image);
    }

    @Override
    public void makeReadOnly(String id) throws DiskException {
        table.find(id).image().makeReadOnly();
        LOG.log(Level.INFO, id + ": is read-only");
    }

    @Override
    public void plug(String id, String node) throws DiskException {
        table.find(id).nodes().plug(node);
        LOG.log(Level.INFO, id + ": has a node " + node);
    }

    @Override
    public void unplug(String id, String node, boolean force) throws DiskException {
        table.find(id).nodes().unplug(node, force);
        LOG.log(Level.INFO, id + ": has no node " + node + " any more");
    }

    @Override
    public long resize(String id, long sizeBytes) throws DiskException {
        return table.find(id).image().resize(sizeBytes);
    }

    @Override
    public void exchange(String id, TapSpec medium, boolean force) throws DiskException {
        table.find(id).image().exchange(medium, force);
        LOG.log(Level.INFO, id + ": has the medium " + medium);
    }

    @Override
    public boolean settled() {
        return table.settled();
    }

    @Override
    public List<ServiceStatus> drivers() {
        return drivers.list();
    }

    @Override
    public List<ServiceStatus> nodes() {
        return providers.list();
    }

    @Override
    public List<ServiceStatus> engines() {
        return engines.ranked();
    }

    @Override
    public void create(TapSpec spec, long sizeBytes, TapSpec backing, boolean reserve, Map<String, String> options) throws DiskException {
        images.create(spec, sizeBytes, backing, reserve, options);
    }

    @Override
    public CheckReport check(TapSpec spec, boolean repair, Map<String, String> options) throws DiskException {
        return images.check(spec, repair, options);
    }

    @Override
    public void resize(TapSpec spec, long sizeBytes, Map<String, String> options) throws DiskException {
        images.resize(spec, sizeBytes, options);
    }

    @Override
    public DiskInfo info(TapSpec spec, Map<String, String> options) throws DiskException {
        return images.info(spec, options);
    }

    @Override
    public void map(TapSpec spec, Map<String, String> options, Extents to) throws DiskException {
        images.map(spec, options, to);
    }

    @Override
    public void convert(Conversion conversion, Progress progress) throws DiskException {
        images.convert(conversion, progress);
    }
}
