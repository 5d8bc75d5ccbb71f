package org.blktap.core;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
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
 * All attachments, and what moves them: commands, drivers and engines that come and go, the daemon's start and end. A service
 * that goes is let go only when no attachment uses it any more: its unbind method parks them first.
 */
@Component(immediate = true)
public final class AttachmentManager implements Attachments, Images {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private final Registry<DiskDriver> drivers = new Registry<>("tap.type", "tap.summary");
    private final Registry<NodeProvider> providers = new Registry<>("node.kind", "node.summary");
    private final Registry<IoEngine> engines = new Registry<>("engine.name", "engine.summary");
    private final Map<String, Attachment> attachments = new ConcurrentSkipListMap<>();
    private final ExecutorService control = Executors.newSingleThreadExecutor(task -> {
        Thread thread = new Thread(task, "blktap-control");
        thread.setDaemon(true);
        return thread;
    });
    private LoopFactory loops;
    private NativeMemory memory;
    private Services services;
    private Records records;
    private ImageWork images;
    private final Object saving = new Object();
    /** Looks at what is parked that are under way or to come. */
    private final AtomicInteger passes = new AtomicInteger();

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
        services = new Services(loops, memory, drivers, providers, engines,
                PathPolicy.of(System.getProperty("blktap.image.roots", "")), runDir);
        records = new Records(dataDir.resolve("attachments"));
        images = new ImageWork(services);
        for (AttachRequest request : records.readAll()) {
            try {
                Attachment attachment = new Attachment(AttachmentIds.check(request.id()), request, true, services);
                if (records.isParked(request.id())) {
                    attachment.stayParked();
                }
                attachments.put(request.id(), attachment);
            } catch (DiskException e) {
                LOG.log(Level.ERROR, request.id() + ": cannot be attached again: " + e.getMessage());
            }
        }
        advanceSoon();
    }

    @Deactivate
    void deactivate() {
        LOG.log(Level.INFO, "stopping; " + attachments.size() + " attachments are closed, and kept on record");
        control.shutdown();
        try {
            control.awaitTermination(1, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        for (Attachment attachment : attachments.values()) {
            try {
                attachment.beforeEnd();
            } catch (DiskException e) {
                LOG.log(Level.ERROR, attachment.id() + ": " + e.getMessage());
            }
            try {
                attachment.end();
            } catch (DiskException e) {
                LOG.log(Level.ERROR, attachment.id() + ": " + e.getMessage());
            }
        }
        attachments.clear();
    }

    // ---- services that come and go

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addDriver(DiskDriver driver, ServiceReference<DiskDriver> reference) {
        came(drivers.add(reference, driver), "driver of tap:");
    }

    void removeDriver(ServiceReference<DiskDriver> reference) {
        driverGone(drivers.remove(reference));
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addSimpleDriver(SimpleDriver driver, ServiceReference<SimpleDriver> reference) {
        came(drivers.add(reference, Drivers.of(driver)), "driver of tap:");
    }

    void removeSimpleDriver(ServiceReference<SimpleDriver> reference) {
        driverGone(drivers.remove(reference));
    }

    private void driverGone(Registry.Entry<DiskDriver> gone) {
        gone(gone, "driver of tap:", attachment -> attachment.driverGone(gone));
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addEngine(IoEngine engine, ServiceReference<IoEngine> reference) {
        came(engines.add(reference, engine), "I/O engine ");
    }

    void removeEngine(ServiceReference<IoEngine> reference) {
        Registry.Entry<IoEngine> gone = engines.remove(reference);
        gone(gone, "I/O engine ", attachment -> attachment.engineGone(gone));
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addNodeProvider(NodeProvider provider, ServiceReference<NodeProvider> reference) {
        came(providers.add(reference, provider), "node kind ");
    }

    void removeNodeProvider(ServiceReference<NodeProvider> reference) {
        Registry.Entry<NodeProvider> gone = providers.remove(reference);
        gone(gone, "node kind ", attachment -> attachment.providerGone(gone));
    }

    private void came(Registry.Entry<?> entry, String what) {
        if (entry != null) {
            LOG.log(Level.INFO, what + entry.name() + " is here");
            advanceSoon();
        }
    }

    private interface Going {
        boolean leave(Attachment attachment) throws DiskException;
    }

    private void gone(Registry.Entry<?> entry, String what, Going going) {
        if (entry == null) {
            return;
        }
        LOG.log(Level.INFO, what + entry.name() + " goes");
        for (Attachment attachment : attachments.values()) {
            try {
                if (going.leave(attachment)) {
                    LOG.log(Level.INFO, attachment.id() + ": parked, " + attachment.status().reason());
                }
            } catch (DiskException | RuntimeException e) {
                LOG.log(Level.ERROR, attachment.id() + ": cannot be parked: " + e.getMessage());
            }
        }
        advanceSoon();
    }

    /** Opens again what waits, on the control thread: a service's registration must not wait for disks. */
    private void advanceSoon() {
        if (services != null && !control.isShutdown()) {
            passes.incrementAndGet();
            control.execute(() -> {
                try {
                    // one may wait for what another brings, as the memory of a RAM disk
                    while (advanceAll()) {
                        LOG.log(Level.DEBUG, "another look at what is parked");
                    }
                } finally {
                    passes.decrementAndGet();
                }
            });
        }
    }

    /** True if some are running now and others are still parked. */
    private boolean advanceAll() {
        boolean some = false;
        boolean left = false;
        for (Attachment attachment : attachments.values()) {
            if (attachment.state() == State.PARKED) {
                advance(attachment);
                some |= attachment.state() == State.RUNNING;
                left |= attachment.state() == State.PARKED;
            }
        }
        return some && left;
    }

    @Override
    public boolean settled() {
        return passes.get() == 0;
    }

    private void advance(Attachment attachment) {
        String before = attachment.reason();
        try {
            attachment.advance();
            if (attachment.state() == State.RUNNING) {
                LOG.log(Level.INFO, attachment.id() + ": running on " + attachment.request().spec());
            }
        } catch (DiskException e) {
            // each service that comes leads here; what is known already is not told again
            if (!e.getMessage().equals(before)) {
                LOG.log(Level.WARNING, attachment.id() + ": stays parked: " + e.getMessage());
            }
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, attachment.id() + ": stays parked", e);
        }
    }

    // ---- commands

    @Override
    public AttachmentStatus attach(AttachRequest request) throws DiskException {
        String id = request.id() == null ? AttachmentIds.free(request.spec(), attachments::containsKey) : AttachmentIds.check(request.id());
        Attachment attachment = new Attachment(id, request, false, services);
        if (attachments.putIfAbsent(id, attachment) != null) {
            attachment.end();
            throw new DiskException(Reason.EXISTS, "attachment '" + id + "' exists already; detach it first or choose another --id");
        }
        boolean done = false;
        try {
            attachment.advance();
            attachment.record(now -> records.write(id, now));
            done = true;
            advanceSoon();
            LOG.log(Level.INFO, id + ": attached " + request.spec() + (request.readOnly() ? " read-only" : ""));
            return attachment.status();
        } finally {
            if (!done) {
                attachments.remove(id, attachment);
                attachment.unplug(true);
                attachment.end();
            }
        }
    }

    @Override
    public void detach(String id, boolean force) throws DiskException {
        Attachment attachment = find(id);
        attachment.unplug(force);
        if (attachment.savesAtDetach()) {
            // one after the other: the last of those that share a disk is the one that saves
            synchronized (saving) {
                attachment.beforeEnd();
                detach(attachment);
            }
        } else {
            detach(attachment);
        }
    }

    private void detach(Attachment attachment) throws DiskException {
        String id = attachment.id();
        attachment.forget(() -> records.remove(id));
        if (attachments.remove(id, attachment)) {
            try {
                attachment.end();
            } finally {
                LOG.log(Level.INFO, id + ": detached");
            }
        }
    }

    @Override
    public List<AttachmentStatus> list() {
        List<AttachmentStatus> list = new ArrayList<>();
        attachments.values().forEach(attachment -> list.add(attachment.status()));
        return list;
    }

    @Override
    public AttachmentStatus status(String id) throws DiskException {
        return find(id).status();
    }

    @Override
    public AttachmentStats stats(String id) throws DiskException {
        return find(id).stats();
    }

    @Override
    public void park(String id) throws DiskException {
        find(id).parkByOperator(() -> records.park(id, true));
    }

    @Override
    public void resume(String id) throws DiskException {
        find(id).resumeByOperator(() -> records.park(id, false));
    }

    @Override
    public void resume(String id, TapSpec image) throws DiskException {
        Attachment attachment = find(id);
        attachment.resumeOn(image, request -> {
            records.write(id, request);
            records.park(id, false);
        });
        LOG.log(Level.INFO, id + ": goes on with " + image);
    }

    @Override
    public void plug(String id, String node) throws DiskException {
        find(id).plug(node, request -> records.write(id, request));
        LOG.log(Level.INFO, id + ": has a node " + node);
    }

    @Override
    public void unplug(String id, String node, boolean force) throws DiskException {
        find(id).unplug(node, force, request -> records.write(id, request));
        LOG.log(Level.INFO, id + ": has no node " + node + " any more");
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

    private Attachment find(String id) throws DiskException {
        Attachment attachment = attachments.get(id);
        if (attachment == null) {
            throw new DiskException(Reason.NOT_FOUND, "no attachment '" + id + "'; present: "
                    + (attachments.isEmpty() ? "none" : String.join(", ", attachments.keySet())));
        }
        return attachment;
    }
}
