package org.blktap.api.disk;

import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Why something could not be opened, created, attached or checked, in one line that a person can act on: which file,
 * which structure, at which offset, found and expected. What a terminal would obey is escaped in it, see
 * {@link Printable}.
 */
public class DiskException extends Exception {
    private static final long serialVersionUID = 1;

    private final Reason reason;

    /** The kinds of failure, for programs. */
    public enum Reason {
        NOT_FOUND,
        EXISTS,
        PERMISSION,
        BUSY,
        /** No driver, engine or node of the name, or a file of the wrong kind. */
        WRONG_TYPE,
        BAD_OPTION,
        /** The image breaks its format's rules. */
        CORRUPT,
        /** The image is right but uses what we do not do. */
        UNSUPPORTED,
        /** A path that an image names leads out of where it may. */
        FORBIDDEN_PATH,
        NO_SPACE,
        IO
    }

    public DiskException(Reason reason, String message) {
        super(line(message));
        this.reason = reason;
    }

    public DiskException(Reason reason, String message, Throwable cause) {
        super(line(message), cause);
        this.reason = reason;
    }

    private static String line(String message) {
        return message == null ? null : Printable.of(message);
    }

    public Reason reason() {
        return reason;
    }

    /**
     * Describes a corrupt structure, in one form everywhere.
     *
     * @param file the image
     * @param structure the format's own name for it, e.g. {@code header field cluster_bits}
     * @param offset bytes from the beginning of the file
     */
    public static DiskException corrupt(Object file, String structure, long offset, Object found, Object expected) {
        return new DiskException(
                Reason.CORRUPT,
                name(file) + ": " + structure + " at offset " + offset + ": found " + found + ", expected " + expected);
    }

    /**
     * A file that is no image of a format at all, which is usually one of another type.
     *
     * @param size bytes of the file
     * @param format as in {@code a qcow2 image}
     * @param found what is in the place of the format's mark
     */
    public static DiskException notAnImage(
            Object file, long size, String format, String structure, long offset, Object found, Object expected) {
        if (size == 0) {
            return new DiskException(Reason.CORRUPT, file + ": not " + format + ": the file is empty");
        }
        return corrupt(file + ": not " + format, structure, offset, found, expected);
    }

    /** An I/O error while doing something with a file. */
    public static DiskException io(Object file, String doing, Exception cause) {
        return new DiskException(Reason.IO, name(file) + ": " + doing + ": " + text(cause), cause);
    }

    /** Returns a file as messages name it. */
    static String name(Object file) {
        return file instanceof Path path ? FileNames.text(path) : String.valueOf(file);
    }

    /** What is wrong, where the exception's own message is only a file's name or nothing. */
    private static String text(Exception cause) {
        if (cause instanceof NoSuchFileException missing) {
            return "no such file: " + missing.getFile();
        }
        if (cause instanceof AccessDeniedException denied) {
            return "no permission for " + denied.getFile();
        }
        if (cause instanceof FileSystemException other && other.getReason() == null || cause.getMessage() == null) {
            return cause.toString();
        }
        return cause.getMessage();
    }
}
