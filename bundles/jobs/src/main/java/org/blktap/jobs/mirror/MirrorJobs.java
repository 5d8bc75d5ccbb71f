package org.blktap.jobs.mirror;

import java.util.Set;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobKind;
import org.blktap.jobs.JobTable;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** Does the jobs {@code move}, {@code mirror} and {@code commit}. */
@Component
public final class MirrorJobs implements JobKind {
    static final String MOVE = "move";
    static final String MIRROR = "mirror";
    static final String COMMIT = "commit";

    private final Attachments attachments;
    private final Images images;
    private final MirrorFilter filter;
    private final JobTable table;

    @Activate
    public MirrorJobs(
            @Reference Attachments attachments,
            @Reference Images images,
            @Reference MirrorFilter filter,
            @Reference JobTable table) {
        this.attachments = attachments;
        this.images = images;
        this.filter = filter;
        this.table = table;
    }

    @Override
    public Set<String> kinds() {
        return Set.of(MOVE, MIRROR, COMMIT);
    }

    @Override
    public void run(Job job) throws Exception {
        new MirrorRun(job, attachments, images, filter, MirrorFilter.bitsFile(table, job)).run();
    }
}
