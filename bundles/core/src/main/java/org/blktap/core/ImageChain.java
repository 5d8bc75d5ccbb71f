package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.blktap.api.disk.DiskException;
import org.blktap.linux.PinnedFile;

/** The images of a chain, from the one that the VM writes down, and the space that they occupy. Any thread. */
final class ImageChain {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    /** Space of an image that is no file, or of which a file is no longer under its name. */
    static final long UNKNOWN = -1;

    private final List<Part> images;
    private final AtomicBoolean looking = new AtomicBoolean();
    private volatile List<Long> allocated;

    /** @param type of the driver */
    private record Part(String type, List<OpenFiles.Opened> files) {}

    private ImageChain(List<Part> images) {
        this.images = List.copyOf(images);
        allocated = images.stream().map(any -> UNKNOWN).toList();
    }

    /** The chain of an image that has just been opened. */
    static ImageChain of(OpenContext top) {
        List<Part> images = new ArrayList<>();
        for (OpenContext each = top; each != null; each = each.below()) {
            images.add(new Part(each.spec().type(), each.files()));
        }
        return new ImageChain(images);
    }

    int length() {
        return images.size();
    }

    /** The type of an image; 0 is the one that the VM writes. */
    String type(int depth) {
        return images.get(depth).type();
    }

    /** The bytes that the files of an image occupied when {@link #look} last ended, or {@link #UNKNOWN}. */
    long allocated(int depth) {
        return allocated.get(depth);
    }

    /**
     * Looks at the files, which may block as long as a file system does. Returns at once if another thread is looking.
     */
    void look() {
        if (!looking.compareAndSet(false, true)) {
            return;
        }
        try {
            allocated = images.stream().map(each -> allocated(each.files())).toList();
        } finally {
            looking.set(false);
        }
    }

    private static long allocated(List<OpenFiles.Opened> files) {
        long sum = files.isEmpty() ? UNKNOWN : 0;
        for (OpenFiles.Opened each : files) {
            if (!each.status().regularFile()) {
                return UNKNOWN;
            }
            try (PinnedFile file = PinnedFile.of(each.path())) {
                if (!file.status().sameFile(each.status())) {
                    return UNKNOWN;
                }
                sum += file.status().allocated();
            } catch (DiskException e) {
                LOG.log(Level.DEBUG, "the space of a file is not known: " + e.getMessage());
                return UNKNOWN;
            }
        }
        return sum;
    }
}
