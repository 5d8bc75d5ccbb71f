package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.Attachments.ImageSwitch;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.core.gate.FaultPolicy;
import org.blktap.linux.PinnedFile;

/**
 * The image of an attachment that is open with its chain, below all filters. For control threads.
 *
 * @param context how it was opened, with its open files
 * @param chain it and the images below it
 */
record OpenImage(TapSpec spec, VirtualDisk disk, OpenContext context, ImageChain chain) {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    /** Opens the image that an attachment is to have. On failure nothing stays open. */
    static OpenImage open(AttachRequest request, OpenEnvironment environment, WatchedFile.Watch watch, LoopCalls calls)
            throws DiskException {
        TapSpec spec = request.spec();
        Options options = options(request.options());
        OpenContext context = new OpenContext(environment, request.readOnly(), options, watch);
        environment.own().add(context);
        VirtualDisk disk = null;
        boolean done = false;
        try {
            disk = context.open(spec.type(), spec.path());
            if (!spec.type().equals(EmptyDrive.TYPE)) {
                // that has the options of its media
                options.checkAllKnown("tap:" + spec.type());
                context.checkBackingTypes();
            }
            done = true;
            return new OpenImage(spec, disk, context, ImageChain.of(context));
        } finally {
            if (!done) {
                new OpenImage(spec, disk, context, null).close(calls);
            }
        }
    }

    /** The files of the images of the chain, as far as their specs name files. */
    List<Path> paths() {
        List<Path> paths = new ArrayList<>();
        for (OpenContext each = context; each != null; each = each.below()) {
            if (each.spec() != null && each.spec().path().startsWith("/")) {
                try {
                    paths.add(FileNames.path(each.spec().path()));
                } catch (InvalidPathException e) {
                    LOG.log(Level.DEBUG, each.spec() + ": names no file", e);
                }
            }
        }
        return paths;
    }

    /** The options of an attachment that are its driver's. */
    static Options options(Map<String, String> ofAttachment) throws DiskException {
        Options options = new Options(ofAttachment);
        options.text("engine", null);
        options.text(LockWait.OPTION, null);
        FaultPolicy.OPTIONS.forEach(name -> options.text(name, null));
        // of the bundle jobs
        options.text("max-chain", null);
        return options;
    }

    /**
     * What gives an overlay of the chain another backing image.
     *
     * @throws DiskException BAD_OPTION if it is not of the chain
     */
    Rebase rebase(ImageSwitch to) throws DiskException {
        String list = to.options().getOrDefault(OpenContext.BACKING_TYPE, "");
        List<String> types = list.isEmpty() ? List.of() : List.of(list.split(":"));
        int depth = depth(to.overlay());
        return new Rebase(
                to.overlay(),
                to.backing(),
                String.join(":", types.subList(Math.min(depth, types.size()), types.size())));
    }

    /** What would undo a rebase: the overlay with the backing image that it has now. */
    Rebase present(Rebase change) throws DiskException {
        OpenContext overlay = context;
        for (int depth = depth(change.overlay()); depth > 0; depth--) {
            overlay = overlay.below();
        }
        TapSpec backing = overlay.below() == null ? null : overlay.below().spec();
        return new Rebase(change.overlay(), backing, String.join(":", overlay.backingTypes()));
    }

    /** The place of an image in the chain. @throws DiskException BAD_OPTION if it is not of the chain */
    int depth(TapSpec overlay) throws DiskException {
        try (PinnedFile file = PinnedFile.of(FileNames.path(overlay.path()))) {
            int depth = 0;
            for (OpenContext each = context; each != null; each = each.below()) {
                if (each.spec().type().equals(overlay.type()) && each.has(file.status())) {
                    return depth;
                }
                depth++;
            }
        }
        throw new DiskException(Reason.BAD_OPTION, overlay + ": is no image of the chain of " + spec);
    }

    /** Closes the disk on the loop; if it throws, its files are closed all the same. */
    void close(LoopCalls calls) throws DiskException {
        calls.run(() -> closeNow(calls.id()));
    }

    /** Does what {@link #close} does. Loop only. */
    void closeNow(String id) {
        context.forget();
        try {
            if (disk != null) {
                disk.close();
            }
        } catch (RuntimeException | Error e) {
            LOG.log(Level.ERROR, id + ": " + spec + " cannot be closed; its files are", e);
            context.closeFiles();
        }
    }
}
