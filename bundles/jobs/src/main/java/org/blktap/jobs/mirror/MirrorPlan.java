package org.blktap.jobs.mirror;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments.ImageSwitch;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.blktap.jobs.ImageFiles;
import org.blktap.jobs.Job;

/**
 * What a job copies to which target, and what the disk is afterwards: decided when the job begins, and recorded with
 * it. One thread.
 */
final class MirrorPlan {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    /** The target of a move or mirror, as the operator has named it. */
    static final String TO = "to";
    /** Prefix of the options with which the target is created, one value each. */
    static final String CREATE_OPTION = "create-option.";
    /** The images of a commit, as the operator has named them. */
    static final String TOP = "top";

    static final String BASE = "base";
    /** Whether images that are not needed afterwards stay. */
    static final String KEEP = "keep";
    /** Whether the target is being created, or has been. */
    private static final String CREATING = "creating";

    private static final String IMAGE = "switch-image";
    private static final String IMAGE_OPTION = "switch-option.";
    private static final String OVERLAY = "switch-overlay";
    private static final String BACKING = "switch-backing";
    private static final String REMOVED = "removed.";
    /** Prefix of the inode numbers of removed images, which identify their files. */
    private static final String REMOVED_FILE = "removed-file.";
    /** Whether the base is smaller than the disk. */
    private static final String GROWS = "grows";

    private final Job job;
    private final Images images;

    MirrorPlan(Job job, Images images) {
        this.job = job;
        this.images = images;
    }

    /**
     * Makes the plan, and the target if it must be made.
     *
     * @param disk the disk below all filters
     */
    void make(AttachmentStatus attachment, DiskInfo disk) throws DiskException {
        TapSpec present = TapSpec.parse(attachment.spec());
        if (job.kind().equals(MirrorJobs.COMMIT)) {
            commit(Chain.of(present, disk.backing(), attachment.options(), images), disk);
        } else if (job.kind().equals(MirrorJobs.STREAM)) {
            stream(Chain.of(present, disk.backing(), attachment.options(), images));
        } else {
            copy(attachment, present, disk);
        }
    }

    // ---- to another image

    private void copy(AttachmentStatus attachment, TapSpec present, DiskInfo disk) throws DiskException {
        TapSpec target = TapSpec.parse(job.value(TO));
        for (TapSpec each :
                Chain.of(present, disk.backing(), attachment.options(), images).images()) {
            if (ImageFiles.same(each, target)) {
                throw new DiskException(Reason.EXISTS, target + ": is an image of the disk itself");
            }
        }
        if (!ImageFiles.exists(target)) {
            if (ImageFiles.isFile(target)) {
                // from here on, a file of this name belongs to the job
                throw new DiskException(Reason.EXISTS, target + ": exists already; choose another name, or remove it");
            }
            job.keep(CREATING, MirrorFilter.YES);
            try {
                images.createFor(disk, target, job.valuesOf(CREATE_OPTION));
            } catch (DiskException e) {
                job.keep(CREATING, null);
                throw e;
            }
            job.keep(MirrorFilter.CREATED, MirrorFilter.YES);
        } else if (!job.valuesOf(CREATE_OPTION).isEmpty()) {
            throw new DiskException(Reason.BAD_OPTION, target + ": exists already; -o is for an image that is created");
        }
        Map<String, String> options = new LinkedHashMap<>(attachment.options());
        options.keySet().retainAll(List.of("engine", "max-chain", AttachRequest.ON_ENOSPC, AttachRequest.ON_EIO));
        options.putAll(job.valuesOf(MirrorFilter.TARGET_OPTION));
        keepOptions(IMAGE_OPTION, options);
        job.keep(IMAGE, target.toString());
        job.keep(MirrorFilter.TARGET, target.toString());
    }

    // ---- into an image of the chain

    private void commit(Chain chain, DiskInfo disk) throws DiskException {
        if (chain.images().size() == 1) {
            throw new DiskException(
                    Reason.UNSUPPORTED, chain.images().get(0) + ": has no backing image that it could be committed to");
        }
        int top = job.value(TOP) == null ? 0 : chain.place(TapSpec.parse(job.value(TOP)));
        int base = job.value(BASE) == null ? top + 1 : chain.place(TapSpec.parse(job.value(BASE)));
        if (base >= chain.images().size()) {
            throw new DiskException(Reason.BAD_OPTION, chain.images().get(top) + ": has no backing image");
        }
        if (base <= top) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    chain.images().get(base) + ": is not below "
                            + chain.images().get(top));
        }
        TapSpec target = chain.images().get(base);
        check(chain, top, base, target, disk);
        keepOptions(MirrorFilter.TARGET_OPTION, chain.driverOptions(base));
        job.keep(MirrorFilter.DEPTH, Integer.toString(base - top + 1));
        for (int i = top; i < base; i++) {
            job.keep(REMOVED + i, chain.images().get(i).toString());
            job.keep(REMOVED_FILE + i, ImageFiles.number(chain.images().get(i)));
        }
        if (top == 0) {
            job.keep(IMAGE, target.toString());
            keepOptions(IMAGE_OPTION, chain.attachmentOptions(base));
        } else {
            job.keep(MirrorFilter.SOURCE, chain.images().get(top).toString());
            keepOptions(MirrorFilter.SOURCE_OPTION, chain.driverOptions(top));
            job.keep(IMAGE, chain.images().get(0).toString());
            keepOptions(IMAGE_OPTION, chain.optionsWithout(top, base));
            job.keep(OVERLAY, chain.images().get(top - 1).toString());
            job.keep(BACKING, target.toString());
        }
        job.keep(MirrorFilter.TARGET, target.toString());
    }

    private void check(Chain chain, int top, int base, TapSpec target, DiskInfo disk) throws DiskException {
        DiskInfo into = images.info(target, chain.driverOptions(base));
        if (into.sizeBytes() < disk.sizeBytes()) {
            job.keep(GROWS, MirrorFilter.YES);
        } else if (into.sizeBytes() > disk.sizeBytes() && top == 0) {
            // below an overlay, the rest of a larger base is not seen
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    target + ": has " + into.sizeBytes() + " bytes, more than the " + disk.sizeBytes()
                            + " of the disk, which would become larger; resize the disk first");
        }
        int unit = disk.optimalIoSize();
        if (target.type().equals("qcow2") && unit > 0 && into.optimalIoSize() > unit) {
            // a compressed cluster that is copied in part moves, and a reader of the chain would look at its old place
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    target + ": has clusters of " + into.optimalIoSize() + " bytes, larger than the " + unit + " of "
                            + chain.images().get(top) + "; move the disk instead");
        }
    }

    /** Whether the target must be made larger before it is opened. */
    boolean growsTarget() {
        return job.value(GROWS) != null;
    }

    // ---- from the images of the chain

    private void stream(Chain chain) throws DiskException {
        TapSpec present = chain.images().get(0);
        int count = chain.images().size();
        if (count == 1) {
            throw new DiskException(Reason.UNSUPPORTED, present + ": has no backing image that it could be rid of");
        }
        int base = job.value(BASE) == null ? count : chain.place(TapSpec.parse(job.value(BASE)));
        if (base < 2) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    job.value(BASE) + ": is " + (base == 0 ? "the disk itself" : "its backing image already"));
        }
        if (base < count) {
            job.keep(MirrorFilter.DEPTH, Integer.toString(base + 1));
            job.keep(BACKING, chain.images().get(base).toString());
        }
        job.keep(MirrorFilter.UP, MirrorFilter.YES);
        job.keep(IMAGE, present.toString());
        keepOptions(IMAGE_OPTION, chain.optionsWithout(1, base));
        job.keep(OVERLAY, present.toString());
        job.keep(MirrorFilter.TARGET, present.toString());
    }

    private void keepOptions(String prefix, Map<String, String> options) throws DiskException {
        for (Map.Entry<String, String> each : options.entrySet()) {
            job.keep(prefix + each.getKey(), each.getValue());
        }
    }

    // ---- afterwards

    /** Returns how the disk continues. */
    ImageSwitch then() throws DiskException {
        return new ImageSwitch(
                TapSpec.parse(job.value(IMAGE)),
                job.valuesOf(IMAGE_OPTION),
                spec(OVERLAY),
                spec(BACKING),
                MirrorFilter.TYPE);
    }

    private TapSpec spec(String key) throws DiskException {
        return job.value(key) == null ? null : TapSpec.parse(job.value(key));
    }

    /** Whether the overlay that is rebased has its new backing image; true if none is rebased. */
    boolean isRebased(AttachmentStatus attachment) throws DiskException {
        if (job.value(OVERLAY) == null) {
            return true;
        }
        Chain chain = chain(attachment);
        int overlay = chain.place(spec(OVERLAY));
        boolean last = overlay + 1 == chain.images().size();
        return job.value(BACKING) == null ? last : !last && chain.place(spec(BACKING)) == overlay + 1;
    }

    private Chain chain(AttachmentStatus attachment) throws DiskException {
        String backing = attachment.details().get(AttachmentStatus.BACKING);
        return Chain.of(
                TapSpec.parse(attachment.spec()),
                backing == null ? null : TapSpec.parse(backing),
                attachment.options(),
                images);
    }

    /** Removes the images that the disk does not need any more. */
    void removeOld(AttachmentStatus attachment) throws DiskException {
        if (job.value(KEEP) != null || job.valuesOf(REMOVED).isEmpty()) {
            return;
        }
        Chain chain = chain(attachment);
        for (Map.Entry<String, String> each : job.valuesOf(REMOVED).entrySet()) {
            TapSpec old = TapSpec.parse(each.getValue());
            if (chain.has(old)) {
                throw new DiskException(Reason.BUSY, old + ": is still an image of " + attachment.id() + ", and stays");
            }
            String found = ImageFiles.number(old);
            String committed = job.value(REMOVED_FILE + each.getKey());
            if (found != null && committed != null && !found.equals(committed)) {
                LOG.log(
                        Level.WARNING,
                        "job " + job.id() + ": " + old + " is not the file that was committed, and stays");
            } else {
                ImageFiles.remove(old);
            }
        }
    }

    /** Removes the target, if this job has made it and the disk has not continued with it. */
    void removeTarget(AttachmentStatus attachment) throws DiskException {
        if (job.value(CREATING) != null) {
            TapSpec target = TapSpec.parse(job.value(TO));
            if (chain(attachment).has(target)) {
                throw new DiskException(Reason.BUSY, target + ": is an image of " + attachment.id());
            }
            boolean created = MirrorFilter.YES.equals(job.value(MirrorFilter.CREATED));
            if (target.isRemote()) {
                if (created) {
                    images.remove(target, job.valuesOf(MirrorFilter.TARGET_OPTION));
                }
            } else if (created || ImageFiles.madeSince(target, job.status().createdMillis())) {
                ImageFiles.remove(target);
            }
        }
    }
}
