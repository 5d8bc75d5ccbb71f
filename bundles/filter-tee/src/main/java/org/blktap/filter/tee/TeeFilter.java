package org.blktap.filter.tee;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.filter.WriteCopies;
import org.blktap.api.settings.Directories;
import org.blktap.linux.WholeFile;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * {@code tee,to=tap:<type>:<path>,key=<text>}: writes go to a second disk as well. The second disk is used as long as
 * it has every write: a file of the attachment has the key until the disk is closed with every write, so that missed
 * writes are noticed also after a kill of the daemon.
 */
@Component
@FilterType(type = TeeFilter.TYPE, summary = "sends writes to a second disk as well, for tap-ctl's option -2")
public final class TeeFilter implements DiskFilter {
    static final String TYPE = "tee";

    private static final Logger LOG = System.getLogger("org.blktap.filter.tee");
    /** A longer file was not written by this filter. */
    private static final int MAX_KEY = 128;
    /** The most bytes of writes in flight; further writes wait. */
    private static final int MOST_COPIES = 16 << 20;

    private final Directories directories;

    @Activate
    public TeeFilter(@Reference Directories directories) {
        this.directories = directories;
    }

    @Override
    public boolean onImage() {
        return true;
    }

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        String to = context.options().text("to", null);
        String key = context.options().text("key", "");
        if (to == null) {
            throw new DiskException(
                    Reason.BAD_OPTION, "filter " + TYPE + ": option 'to' is missing; expected to=tap:<type>:<path>");
        }
        if (!key.matches("[A-Za-z0-9.-]{1,64}")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "filter " + TYPE + ": bad key '" + key + "'; expected a text that no other use of the filter has");
        }
        TapSpec second = TapSpec.parse(to);
        // the file exists from here on, until the second disk is closed with every write
        Path open = directories.data().resolve(TYPE).resolve(context.id());
        if (key.equals(read(open))) {
            return lost(context, below, second, "it has missed writes, or the daemon was killed");
        }
        write(open, key);
        VirtualDisk other;
        try {
            other = context.openDisk(second, java.util.Map.of(), false);
        } catch (DiskException e) {
            // the VM goes on without it
            LOG.log(Level.WARNING, context.id() + ": nothing is written to the second disk: " + e.getMessage());
            return lost(context, below, second, e.getMessage());
        }
        String unfit = unfit(below, other);
        if (unfit != null) {
            context.loop().execute(other::close);
            LOG.log(Level.WARNING, context.id() + ": nothing is written to the second disk " + second + ": " + unfit);
            return lost(context, below, second, unfit);
        }
        return new TeeDisk(
                context.id(),
                context.loop(),
                below,
                other,
                second,
                null,
                () -> remove(open),
                new WriteCopies(context.memory(), MOST_COPIES));
    }

    private static TeeDisk lost(FilterContext context, VirtualDisk below, TapSpec second, String why) {
        return new TeeDisk(context.id(), context.loop(), below, null, second, why, () -> {}, null);
    }

    private static String unfit(VirtualDisk below, VirtualDisk other) {
        if (other.info().readOnly()) {
            return "it is read-only";
        }
        long size = below.info().sizeBytes();
        long has = other.info().sizeBytes();
        return has < size ? "it has " + has + " bytes, less than the " + size + " of the disk" : null;
    }

    /** Returns the key in a file; null if there is no such file. */
    private static String read(Path file) throws DiskException {
        try (var in = Files.newInputStream(file)) {
            return new String(in.readNBytes(MAX_KEY), StandardCharsets.UTF_8);
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            throw DiskException.io(file, "read which second disk has every write", e);
        }
    }

    private static void write(Path file, String key) throws DiskException {
        try {
            Files.createDirectories(file.getParent());
            WholeFile.write(file, key.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw DiskException.io(file, "note that a second disk is written", e);
        }
    }

    private static void remove(Path file) {
        try {
            WholeFile.forget(file);
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // the second disk is taken to have missed writes
            LOG.log(Level.WARNING, file + " cannot be removed: " + e.getMessage());
        }
    }
}
