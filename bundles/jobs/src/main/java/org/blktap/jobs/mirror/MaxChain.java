package org.blktap.jobs.mirror;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.jobs.JobRunner;
import org.blktap.jobs.JobTable;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * The option {@code max-chain=N} of attachments: looks every few seconds whether a chain is longer than that, and then
 * starts a slow commit of its oldest overlay. A commit that has failed is started again after a while.
 */
@Component(
        service = {},
        immediate = true)
public final class MaxChain {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    static final String OPTION = "max-chain";
    private static final int MOST = 64;
    private static final long LOOK_MILLIS = 5000;
    private static final long AGAIN_NANOS = TimeUnit.MINUTES.toNanos(10);
    private static final Map<String, String> SLOW = Map.of("speed", "64M", "share", "1");

    private final Attachments attachments;
    private final Images images;
    private final JobTable table;
    private final JobRunner runner;
    private final Thread thread;
    /** When a commit was last started, by attachment. */
    private final Map<String, Long> started = new HashMap<>();
    /** By attachment, the backing image whose chain was found short enough. */
    private final Map<String, String> seen = new HashMap<>();

    @Activate
    public MaxChain(
            @Reference Attachments attachments,
            @Reference Images images,
            @Reference JobTable table,
            @Reference JobRunner runner) {
        this.attachments = attachments;
        this.images = images;
        this.table = table;
        this.runner = runner;
        thread = new Thread(this::run, "blktap-max-chain");
        thread.setDaemon(true);
        thread.start();
    }

    @Deactivate
    void stop() {
        thread.interrupt();
    }

    private void run() {
        try {
            while (true) {
                Thread.sleep(LOOK_MILLIS);
                for (AttachmentStatus each : attachments.list()) {
                    if (each.options().containsKey(OPTION) && each.state() == AttachmentStatus.State.RUNNING) {
                        look(each);
                    }
                }
            }
        } catch (InterruptedException e) {
            // the bundle stops
        }
    }

    private void look(AttachmentStatus attachment) {
        String id = attachment.id();
        String backing = attachment.details().get(AttachmentStatus.BACKING);
        Long before = started.get(id);
        if (backing == null
                || backing.equals(seen.get(id))
                || table.of(id) != null
                || before != null && System.nanoTime() - before < AGAIN_NANOS && table.lastFailed(id)) {
            return;
        }
        try {
            int most = new Options(attachment.options()).number(OPTION, MOST, 1, MOST);
            Chain chain =
                    Chain.of(TapSpec.parse(attachment.spec()), TapSpec.parse(backing), attachment.options(), images);
            List<TapSpec> all = chain.images();
            if (all.size() <= most) {
                seen.put(id, backing);
                return;
            }
            seen.remove(id);
            Map<String, String> values = new LinkedHashMap<>();
            if (all.size() > 2) {
                values.put(MirrorPlan.TOP, all.get(all.size() - 2).toString());
            }
            started.put(id, System.nanoTime());
            LOG.log(Level.INFO, id + ": its chain has " + all.size() + " images, more than " + most);
            runner.start(MirrorJobs.COMMIT, id, SLOW, values);
        } catch (DiskException | RuntimeException e) {
            started.put(id, System.nanoTime());
            LOG.log(Level.WARNING, id + ": its chain cannot be made shorter: " + e.getMessage());
        }
    }
}
