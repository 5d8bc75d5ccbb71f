package org.blktap.jobs.mirror;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobTable;
import org.blktap.jobs.bits.MappedBits;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * The filter {@code mirror,job=N}: the part of the jobs {@code move}, {@code mirror}, {@code commit} and {@code stream}
 * that sees the requests of the VM. Source and target are on record with the job.
 */
@Component(service = {DiskFilter.class, MirrorFilter.class})
@FilterType(
        type = MirrorFilter.TYPE,
        summary = "copies the disk while its VM writes, for move, mirror, commit and stream")
public final class MirrorFilter implements DiskFilter {
    static final String TYPE = "mirror";

    // ---- values of a job

    /** The target; absent before it is known or made. */
    static final String TARGET = "target";
    /** Prefix of the options that the target is opened with, one value each. */
    static final String TARGET_OPTION = "target-option.";
    /** The source, if that is an image of the chain and not the disk itself. */
    static final String SOURCE = "source";

    static final String SOURCE_OPTION = "source-option.";
    /** Depth of the target in the source's chain. */
    static final String DEPTH = "depth";
    /** Whether the disk itself is the target, and data of depth 2 and more is copied. */
    static final String UP = "up";
    /** Whether the job has made the target. */
    static final String CREATED = "created";
    /** The phase of the job: absent during preparation, then one of these. */
    static final String PHASE = "phase";

    static final String COPYING = "copying";
    static final String SWITCHED = "switched";
    static final String YES = "yes";

    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    /** Bytes of the disk for each bit, unless the file would be too large. */
    private static final int GRANULARITY = 64 << 10;

    private static final long MOST_BITS = 1L << 26;
    /** Time limit of what is done while requests of the VM wait. */
    private static final long LIMIT_SECONDS = 5;

    private final JobTable table;
    private final Map<String, PassThroughDisk> open = new ConcurrentHashMap<>();

    @Activate
    public MirrorFilter(@Reference JobTable table) {
        this.table = table;
    }

    @Override
    public boolean onImage() {
        return true;
    }

    /** The open filter of a job, or null. */
    PassThroughDisk of(Job job) {
        return open.get(job.id());
    }

    /** The file with the bits of a job. */
    static Path bitsFile(JobTable table, Job job) {
        return table.directory().resolve(job.id() + ".bits");
    }

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        // a new number makes the core open a filter without a target anew
        context.options().text("attempt", null);
        String id = context.options().text("job", "");
        Job job = table.find(id);
        if (job == null || job.state().ended() || !job.attachment().equals(context.id())) {
            LOG.log(
                    Level.WARNING,
                    context.id() + ": the filter " + TYPE + " has no job '" + id + "', and does nothing");
            return new UnopenedMirror(below, null, null, null, () -> {});
        }
        PassThroughDisk[] disk = new PassThroughDisk[1];
        Runnable closed = () -> open.remove(id, disk[0]);
        disk[0] = job.value(TARGET) == null
                ? new UnopenedMirror(below, job, null, null, closed)
                : mirror(below, context, job, closed);
        open.put(id, disk[0]);
        return disk[0];
    }

    private PassThroughDisk mirror(VirtualDisk below, FilterContext context, Job job, Runnable closed)
            throws DiskException {
        boolean goesOn = COPYING.equals(job.value(PHASE));
        MappedBits bits = null;
        try (CloseOnFailure opened = new CloseOnFailure()) {
            bits = bits(job, below.info().sizeBytes(), goesOn);
            // not clean: another filter of the job may have the file open until this one takes its place
            opened.add(bits::abandon);
            VirtualDisk source = below;
            if (job.value(SOURCE) != null) {
                source = context.openDisk(TapSpec.parse(job.value(SOURCE)), job.valuesOf(SOURCE_OPTION), true);
                closeOnLoop(opened, context, source);
            }
            VirtualDisk target = below;
            if (job.value(UP) == null) {
                target = context.openDisk(TapSpec.parse(job.value(TARGET)), job.valuesOf(TARGET_OPTION), false);
                closeOnLoop(opened, context, target);
            }
            check(job, below, source, target);
            boolean fresh = !goesOn && YES.equals(job.value(CREATED));
            return opened.keep(new MirrorDisk(below, source, target, bits, context, job, depths(job), fresh, closed));
        } catch (DiskException e) {
            // the VM goes on without the target
            return new UnopenedMirror(below, job, goesOn ? again(job, below) : null, e, closed);
        }
    }

    private static Depths depths(Job job) {
        int depth = job.value(DEPTH) == null ? Integer.MAX_VALUE : Integer.parseInt(job.value(DEPTH));
        if (job.value(UP) != null) {
            // what no image of the disk has reads as zeros without a base
            return new Depths(2, depth, job.value(DEPTH) != null);
        }
        return job.value(DEPTH) == null ? Depths.ALL : new Depths(1, depth, true);
    }

    private static void closeOnLoop(CloseOnFailure opened, FilterContext context, VirtualDisk disk) {
        opened.add(() -> context.loop().execute(disk::close));
    }

    /** Returns the bits of a job whose target is not open; null if they are for another disk. */
    private MappedBits again(Job job, VirtualDisk below) {
        try {
            return bits(job, below.info().sizeBytes(), true);
        } catch (DiskException e) {
            return null;
        }
    }

    private MappedBits bits(Job job, long size, boolean goesOn) throws DiskException {
        Path file = bitsFile(table, job);
        if (goesOn) {
            try {
                MappedBits found = MappedBits.open(file);
                if (found.diskBytes() != size) {
                    found.abandon();
                    throw new DiskException(
                            Reason.UNSUPPORTED,
                            "the disk has " + size + " bytes now, and had " + found.diskBytes() + " when job "
                                    + job.id() + " began");
                }
                if (found.stale()) {
                    LOG.log(Level.WARNING, "job " + job.id() + ": the power was lost; it copies everything again");
                    found.restart(true);
                }
                return found;
            } catch (DiskException e) {
                if (e.reason() == Reason.UNSUPPORTED) {
                    throw e;
                }
                LOG.log(Level.WARNING, "job " + job.id() + " copies everything again: " + e.getMessage());
            }
        }
        int granularity = GRANULARITY;
        while (size / granularity > MOST_BITS) {
            granularity *= 2;
        }
        return MappedBits.create(file, size, granularity, "", MappedBits.Initially.SET);
    }

    private static void check(Job job, VirtualDisk disk, VirtualDisk source, VirtualDisk target) throws DiskException {
        long size = disk.info().sizeBytes();
        if (source.info().sizeBytes() != size) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    job.value(SOURCE) + ": has " + source.info().sizeBytes() + " bytes, and the disk " + size
                            + "; they must be equal");
        }
        // the overlay above the source hides the rest of a larger target
        boolean larger = job.value(SOURCE) != null && target.info().sizeBytes() > size;
        if (target.info().sizeBytes() != size && !larger
                || target.info().blockSize() != disk.info().blockSize()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    job.value(TARGET) + ": has " + target.info().sizeBytes() + " bytes and sectors of "
                            + target.info().blockSize() + "; the disk has " + size + " bytes and sectors of "
                            + disk.info().blockSize() + ", and they must be equal");
        }
        if (target.info().readOnly()) {
            throw new DiskException(Reason.UNSUPPORTED, job.value(TARGET) + ": is read-only");
        }
    }

    /** @throws DiskException BUSY while a job needs the disk */
    static void checkDetach(Job job) throws DiskException {
        if (job != null && !job.state().ended()) {
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + job.attachment() + "' has job " + job.id() + " (" + job.kind() + ", "
                            + job.state() + "); cancel it: blktap job cancel " + job.id()
                            + ", or detach with --force, which ends it");
        }
    }

    /** Waits for work on the loop during which requests of the VM wait. */
    static void await(CompletableFuture<Void> done, Job job) throws DiskException {
        try {
            done.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof DiskException known) {
                throw known;
            }
            throw new DiskException(Reason.IO, "job " + job.id() + ": " + e.getCause(), e);
        } catch (TimeoutException e) {
            throw new DiskException(Reason.BUSY, "job " + job.id() + ": the target takes too long", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.BUSY, "job " + job.id() + ": interrupted", e);
        }
    }
}
