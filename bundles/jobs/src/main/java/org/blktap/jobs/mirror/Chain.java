package org.blktap.jobs.mirror;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.blktap.jobs.ImageFiles;

/**
 * The images of a disk, from the one that the VM writes down to the last backing image.
 *
 * @param images at least one
 * @param options of the attachment
 */
record Chain(List<TapSpec> images, Map<String, String> options) {
    private static final String BACKING_TYPE = "backing-type";
    /** Options of an attachment that do not belong to its driver. */
    private static final List<String> OF_CORE =
            List.of("engine", "wait-for-lock", "max-chain", AttachRequest.ON_ENOSPC, AttachRequest.ON_EIO);

    private static final int MOST_IMAGES = 64;

    /**
     * Finds the images below an image.
     *
     * @param backing of the uppermost image; null for none
     */
    static Chain of(TapSpec top, TapSpec backing, Map<String, String> options, Images files) throws DiskException {
        List<TapSpec> images = new ArrayList<>(List.of(top));
        TapSpec next = backing;
        while (next != null && images.size() < MOST_IMAGES) {
            images.add(next);
            DiskInfo info = files.info(next, new Chain(images, options).driverOptions(images.size() - 1));
            next = info.backing();
        }
        return new Chain(List.copyOf(images), options);
    }

    /** Returns the options with which an image of the chain is opened as a disk. */
    Map<String, String> driverOptions(int image) {
        Map<String, String> found = attachmentOptions(image);
        OF_CORE.forEach(found::remove);
        return found;
    }

    /** Returns the options that the attachment would have if it began with an image of the chain. */
    Map<String, String> attachmentOptions(int image) {
        Map<String, String> changed = new LinkedHashMap<>(options);
        String types = options.get(BACKING_TYPE);
        if (types != null) {
            List<String> all = List.of(types.split(":"));
            putTypes(changed, all.subList(Math.min(image, all.size()), all.size()));
        }
        return changed;
    }

    /** Returns the options of the attachment without the images {@code [from, to)}. */
    Map<String, String> optionsWithout(int from, int to) {
        Map<String, String> changed = new LinkedHashMap<>(options);
        String types = options.get(BACKING_TYPE);
        if (types != null) {
            // the list of types begins with the second image
            List<String> all = new ArrayList<>(List.of(types.split(":")));
            all.subList(Math.min(from - 1, all.size()), Math.min(to - 1, all.size()))
                    .clear();
            putTypes(changed, all);
        }
        return changed;
    }

    private static void putTypes(Map<String, String> options, List<String> types) {
        if (types.isEmpty()) {
            options.remove(BACKING_TYPE);
        } else {
            options.put(BACKING_TYPE, String.join(":", types));
        }
    }

    /** Whether one of the images has the same file as an image, whatever the types of both. */
    boolean has(TapSpec image) {
        return images.stream().anyMatch(each -> each.equals(image) || ImageFiles.same(each, image));
    }

    private static boolean isOne(TapSpec one, TapSpec other) {
        return one.equals(other) || one.type().equals(other.type()) && ImageFiles.same(one, other);
    }

    /** Returns the place of an image. @throws DiskException NOT_FOUND, naming those that are there */
    int place(TapSpec image) throws DiskException {
        for (int i = 0; i < images.size(); i++) {
            if (isOne(images.get(i), image)) {
                return i;
            }
        }
        throw new DiskException(Reason.NOT_FOUND, image + ": is no image of the disk; its images: " + this);
    }

    @Override
    public String toString() {
        return String.join(", ", images.stream().map(TapSpec::toString).toList());
    }
}
