package org.blktap.core;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.event.Event;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.metrics.MetricSink;
import org.blktap.api.metrics.MetricSource;
import org.blktap.api.settings.Directories;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/** The attachments as a service: the commands, and what happens when the daemon starts and stops. */
@Component(immediate = true)
public final class AttachmentManager implements Attachments, MetricSource {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private final Services services;
    private final AttachmentTable table;
    private final Snapshots snapshots;

    @Activate
    public AttachmentManager(
            @Reference LoopFactory loops,
            @Reference NativeMemory memory,
            @Reference InstalledServices installed,
            @Reference InstalledNodeKinds nodeKinds,
            @Reference Directories directories,
            @Reference CoreConfiguration configuration,
            @Reference Announcements announcements)
            throws IOException {
        Files.createDirectories(directories.run());
        services = new Services(loops, memory, installed, nodeKinds, configuration, directories.run(), announcements);
        Records records = new Records(directories.data().resolve("attachments"));
        table = new AttachmentTable(services, records);
        Path unfinished = directories.data().resolve("snapshots");
        snapshots = new Snapshots(table, services, records, unfinished);
        SnapshotJournal.settle(unfinished, records);
        ServiceChanges.follow(services, table);
        table.restore();
    }

    @Deactivate
    void deactivate() {
        ServiceChanges.unfollow(services);
        table.shutDown();
    }

    /** Logs what an operator has changed, and publishes it. */
    private void changed(String id, String what) {
        LOG.log(Level.INFO, id + ": " + what);
        services.announcements().publish(Event.CHANGED, id, what, Map.of());
    }

    private static String waited(Duration pause) {
        return "; requests waited " + pause.toMillis() + " ms";
    }

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
    public DiskInfo disk(String id) throws DiskException {
        return table.find(id).view().disk();
    }

    @Override
    public AttachmentStats stats(String id) throws DiskException {
        return table.find(id).view().stats();
    }

    @Override
    public void collect(MetricSink sink) {
        table.metrics().collect(sink);
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
        changed(id, "goes on with " + image);
    }

    @Override
    public void makeReadOnly(String id) throws DiskException {
        table.find(id).image().makeReadOnly();
        changed(id, "is read-only");
    }

    @Override
    public void plug(String id, String node) throws DiskException {
        table.find(id).nodes().plug(node);
        changed(id, "has a node " + node);
    }

    @Override
    public void unplug(String id, String node, boolean force) throws DiskException {
        table.find(id).nodes().unplug(node, force);
        changed(id, "has no node " + node + " any more");
    }

    @Override
    public Duration addFilter(String id, String spec, String below) throws DiskException {
        Duration pause = table.find(id).filters().add(spec, below);
        changed(id, "has the filter " + spec + waited(pause));
        return pause;
    }

    @Override
    public Duration setFilter(String id, String type, Map<String, String> values) throws DiskException {
        Duration pause = table.find(id).filters().set(type, values);
        changed(id, "the filter " + type + " is set to " + values + waited(pause));
        return pause;
    }

    @Override
    public Duration removeFilter(String id, String type) throws DiskException {
        Duration pause = table.find(id).filters().remove(type);
        changed(id, "has no filter " + type + " any more" + waited(pause));
        return pause;
    }

    @Override
    public void setOptions(String id, Map<String, String> values) throws DiskException {
        table.find(id).faults().set(values);
        LOG.log(Level.INFO, id + ": is set to " + values);
    }

    @Override
    public long resize(String id, long sizeBytes) throws DiskException {
        long now = table.find(id).image().resize(sizeBytes);
        changed(id, "has " + now + " bytes");
        return now;
    }

    @Override
    public List<Duration> snapshot(List<Overlay> overlays) throws DiskException {
        List<Duration> pauses = snapshots.take(overlays);
        for (int i = 0; i < pauses.size(); i++) {
            changed(
                    overlays.get(i).id(),
                    "continues with " + overlays.get(i).image() + ", a snapshot" + waited(pauses.get(i)));
        }
        return pauses;
    }

    @Override
    public Duration switchImage(String id, ImageSwitch to) throws DiskException {
        Duration pause = table.find(id).diskSwitch().to(to);
        changed(id, "continues with " + to.image() + waited(pause));
        return pause;
    }

    @Override
    public Duration growBacking(String id, TapSpec image, Map<String, String> options, long sizeBytes)
            throws DiskException {
        return table.find(id).diskSwitch().growBacking(image, options, sizeBytes);
    }

    @Override
    public void exchange(String id, TapSpec medium, boolean force) throws DiskException {
        table.find(id).image().exchange(medium, force);
        changed(id, "has the medium " + medium);
    }

    @Override
    public CompletionStage<Void> settled() {
        return table.settled();
    }

    @Override
    public List<ServiceStatus> drivers() {
        return services.installed().drivers().list();
    }

    @Override
    public List<ServiceStatus> nodes() {
        return services.nodeKinds().kinds().list();
    }

    @Override
    public List<ServiceStatus> filters() {
        return services.installed().filters().list();
    }

    @Override
    public List<ServiceStatus> engines() {
        return services.installed().engines().ranked();
    }
}
