package org.blktap.image;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;

/**
 * Finds the parent of an image by the names that the image has for it. Images are moved together with their parents,
 * from hosts whose paths mean nothing here. So if no name leads to the parent, a file beside the image is taken that
 * has the last part of such a name, if its identity proves it to be the parent. The option {@code parent} names a
 * parent explicitly, wherever it is. Blocking.
 */
public final class ParentSearch {
    /** The operator's name for the parent; a relative one is taken from the image's directory. */
    public static final String OPTION = "parent";
    /**
     * Most files that are opened for one chain: each image of a hostile chain could name several, each with a chain of
     * its own.
     */
    static final int MOST_TRIES = 256;

    private static final int LONGEST_REASON = 300;
    private static final ThreadLocal<int[]> TRIES = new ThreadLocal<>();

    private final Path image;
    private final String type;
    private final DiskContext context;
    private final Proof proof;
    private final List<String> tried = new ArrayList<>();
    private final Set<Path> paths = new LinkedHashSet<>();
    private DiskException worst;

    /** How an image knows its parent. */
    @FunctionalInterface
    public interface Proof {
        /** Returns why a disk is not the parent, for an error message; null if it is. */
        String objection(VirtualDisk candidate);
    }

    /**
     * A parent that has been opened.
     *
     * @param name the name by which it was found
     */
    public record Parent(VirtualDisk disk, String name, Path path) {}

    private ParentSearch(Path image, String type, DiskContext context, Proof proof) {
        this.image = image;
        this.type = type;
        this.context = context;
        this.proof = proof;
    }

    /**
     * Opens the parent.
     *
     * @param names in the order in which they are tried, as the image has them: with slashes or backslashes, with a
     *     drive or without
     * @param type of the parent
     * @param proof null to take any file that a name leads to, and no file beside the image
     * @throws DiskException listing all files that were tried
     */
    public static Parent open(Path image, Collection<String> names, String type, DiskContext context, Proof proof)
            throws DiskException {
        ParentSearch search = new ParentSearch(image, type, context, proof);
        boolean outermost = TRIES.get() == null;
        if (outermost) {
            TRIES.set(new int[1]);
        }
        try {
            String given = context.options().text(OPTION, null);
            Parent found = given != null ? search.given(given) : search.named(names);
            if (found != null) {
                return found;
            }
        } finally {
            if (outermost) {
                TRIES.remove();
            }
        }
        throw search.notFound();
    }

    private Parent given(String name) throws DiskException {
        try {
            return opened(name, image.toAbsolutePath().resolveSibling(FileNames.path(name)));
        } catch (InvalidPathException e) {
            throw new DiskException(Reason.BAD_OPTION, "bad option " + OPTION + ": " + e.getMessage(), e);
        }
    }

    private Parent named(Collection<String> names) {
        Set<String> candidates = new LinkedHashSet<>();
        for (String name : names) {
            candidates.add(name);
            candidates.add(here(name));
        }
        if (proof != null) {
            names.forEach(name -> candidates.add(lastPart(name)));
        }
        for (String name : candidates) {
            if (!name.isEmpty() && !name.equals("..")) {
                try {
                    Parent found = opened(name, context.confine(image, name));
                    if (found != null) {
                        return found;
                    }
                } catch (DiskException e) {
                    note(name, e);
                }
            }
        }
        return null;
    }

    /** Turns a path of Windows into one of this system. */
    private static String here(String name) {
        String path = name.replace('\\', '/');
        return path.matches("(?s)[A-Za-z]:/.*") ? path.substring(2) : path;
    }

    private static String lastPart(String name) {
        return name.substring(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
    }

    /** Returns the candidate if it is the parent; else null. */
    private Parent opened(String name, Path path) throws DiskException {
        if (!paths.add(path) || path.equals(image)) {
            return null;
        }
        if (TRIES.get()[0]++ >= MOST_TRIES) {
            throw new DiskException(
                    Reason.CORRUPT,
                    FileNames.text(image) + ": more than " + MOST_TRIES
                            + " files were tried for the parents of this chain");
        }
        VirtualDisk disk = context.openBacking(type, path);
        try (CloseOnFailure opened = new CloseOnFailure(disk::close)) {
            String objection = proof == null ? null : proof.objection(disk);
            if (objection != null) {
                throw new DiskException(Reason.CORRUPT, path + ": " + objection);
            }
            return opened.keep(new Parent(disk, name, path));
        }
    }

    private void note(String name, DiskException e) {
        String reason = e.getMessage().startsWith(FileNames.text(image) + ": ")
                ? e.getMessage().substring((FileNames.text(image) + ": ").length())
                : e.getMessage();
        reason = reason.length() > LONGEST_REASON ? reason.substring(0, LONGEST_REASON) + "…" : reason;
        tried.add(name + " (" + reason + ")");
        if (worst == null
                || worst.reason() == Reason.NOT_FOUND
                || e.reason() == Reason.CORRUPT && worst.reason() != Reason.CORRUPT) {
            worst = e;
        }
    }

    private DiskException notFound() {
        if (worst == null && paths.contains(image)) {
            return new DiskException(
                    Reason.CORRUPT,
                    FileNames.text(image) + ": backs itself: it names no other file as its parent; -o " + OPTION
                            + "=FILE names one");
        }
        if (worst == null) {
            return new DiskException(
                    Reason.NOT_FOUND,
                    FileNames.text(image) + ": names no parent that could be looked for; -o " + OPTION
                            + "=FILE names one");
        }
        return new DiskException(
                worst.reason(),
                FileNames.text(image) + ": its parent was not found; tried " + String.join(", ", tried) + "; -o "
                        + OPTION + "=FILE names it",
                worst);
    }
}
