package org.blktap.jobs.mirror;

import java.util.Map;
import java.util.Set;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.control.JobRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.jobs.Arguments;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobKind;
import org.blktap.jobs.JobTable;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** Does the jobs {@code move}, {@code mirror}, {@code commit} and {@code stream}. */
@Component
public final class MirrorJobs implements JobKind {
    static final String MOVE = "move";
    static final String MIRROR = "mirror";
    static final String COMMIT = "commit";
    static final String STREAM = "stream";

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
        return Set.of(MOVE, MIRROR, COMMIT, STREAM);
    }

    /** {@inheritDoc} An image may be named {@code target}, {@code top} and {@code base}, as the verbs do. */
    @Override
    public Map<String, String> values(JobRequest request) throws DiskException {
        Arguments asked = new Arguments(request);
        return switch (request.kind()) {
            case COMMIT ->
                asked.imageIfGiven(MirrorPlan.TOP, MirrorPlan.TOP)
                        .imageIfGiven(MirrorPlan.BASE, MirrorPlan.BASE)
                        .flag(MirrorPlan.KEEP, MirrorPlan.KEEP)
                        .options(null, null)
                        .values();
            case STREAM ->
                asked.imageIfGiven(MirrorPlan.BASE, MirrorPlan.BASE)
                        .options(null, null)
                        .values();
            default ->
                asked.image(MirrorVerb.TARGET, MirrorPlan.TO)
                        .options(MirrorPlan.CREATE_OPTION, MirrorFilter.TARGET_OPTION)
                        .values();
        };
    }

    @Override
    public boolean begun(Job job) {
        return job.value(MirrorFilter.PHASE) != null;
    }

    @Override
    public void run(Job job) throws Exception {
        new MirrorRun(job, attachments, images, filter, MirrorFilter.bitsFile(table, job)).run();
    }
}
