package org.blktap.health;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.felix.hc.api.FormattingResultLog;
import org.apache.felix.hc.api.HealthCheck;
import org.apache.felix.hc.api.Result;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.settings.Directories;
import org.blktap.linux.PinnedFile;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;

/**
 * Checks whether the file systems of images and of the daemon's data have space for what these may still take. A file
 * system that is nearly full is healthy if no image on it can grow, or if all images can grow to their full size.
 */
@Component(
        configurationPid = HealthSettings.PID,
        property = {HealthCheck.NAME + "=space", HealthCheck.TAGS + "=blktap"})
public final class SpaceCheck implements HealthCheck {
    /**
     * Bytes that the daemon's own records may still take; those of jobs, bitmaps and points in time are the largest.
     */
    private static final long OWN_GROWTH = 256L << 20;

    private static final int NAMED = 5;

    private final Attachments attachments;
    private final Directories directories;
    private volatile int warnPercent;
    private volatile int criticalPercent;

    /** A file system, with its images and what they may still take. */
    private static final class Use {
        /** One of the files, by which the file system is found. */
        private final File file;
        /** The ids of attachments, and a name for the daemon itself. */
        private final List<String> ids = new ArrayList<>();

        private long growth;

        Use(Path file) {
            this.file = file.toFile();
        }

        void add(String id, long bytes) {
            ids.add(id);
            growth += bytes;
        }
    }

    @Activate
    public SpaceCheck(@Reference Attachments attachments, @Reference Directories directories, HealthSettings settings) {
        this.attachments = attachments;
        this.directories = directories;
        configure(settings);
    }

    SpaceCheck(Attachments attachments, Directories directories, int warnPercent, int criticalPercent) {
        this.attachments = attachments;
        this.directories = directories;
        this.warnPercent = warnPercent;
        this.criticalPercent = criticalPercent;
    }

    @Modified
    public void configure(HealthSettings settings) {
        warnPercent = settings.space_warn();
        criticalPercent = settings.space_critical();
    }

    @Override
    public Result execute() {
        Findings findings = new Findings();
        Map<Long, Use> uses = new LinkedHashMap<>();
        for (AttachmentStatus each : attachments.list()) {
            try {
                ImageFile image = ImageFile.of(each);
                if (image != null) {
                    uses.computeIfAbsent(image.device(), any -> new Use(image.path()))
                            .add(image.id(), image.growth());
                }
            } catch (DiskException e) {
                findings.warn(each.id() + ": the space of its image cannot be examined: " + e.getMessage());
            }
        }
        try (PinnedFile own = PinnedFile.of(directories.data())) {
            uses.computeIfAbsent(own.status().device(), any -> new Use(directories.data()))
                    .add("the records in " + directories.data(), OWN_GROWTH);
        } catch (DiskException e) {
            findings.warn(directories.data() + ": its space cannot be examined: " + e.getMessage());
        }
        uses.values().forEach(use -> judge(use, findings));
        return findings.result("no file system is written");
    }

    /** Returns who may need space. */
    private static String takers(Use use) {
        List<String> ids = use.ids;
        return String.join(", ", ids.subList(0, Math.min(NAMED, ids.size())))
                + (ids.size() > NAMED ? " and " + (ids.size() - NAMED) + " more" : "");
    }

    private void judge(Use use, Findings findings) {
        long total = use.file.getTotalSpace();
        long free = use.file.getUsableSpace();
        if (total == 0) {
            findings.warn("the file system of " + use.file + ": its space cannot be examined");
            return;
        }
        double percent = 100.0 * free / total;
        String line = "the file system of " + use.file + ": " + FormattingResultLog.bytesHumanReadable(free) + " of "
                + FormattingResultLog.bytesHumanReadable(total) + " (" + (int) percent + " %) are free, and up to "
                + FormattingResultLog.bytesHumanReadable(use.growth) + " may be needed by " + takers(use);
        if (use.growth <= free || percent >= warnPercent) {
            findings.info(line);
        } else if (percent >= criticalPercent) {
            findings.warn(line);
        } else {
            findings.critical(line);
        }
    }
}
