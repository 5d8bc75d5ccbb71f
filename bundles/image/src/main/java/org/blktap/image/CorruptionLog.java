package org.blktap.image;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;

/**
 * Logs the first table entry of a disk that a request meets and that points where it must not. Others end requests in
 * the same way, and are not logged. Loop only.
 */
public final class CorruptionLog {
    private final Logger log;
    private final Path file;
    private boolean logged;

    /** @param log of the format */
    public CorruptionLog(Logger log, Path file) {
        this.log = log;
        this.file = file;
    }

    /**
     * Logs an entry, if it is the first.
     *
     * @param structure the format's own name for the entry
     * @param offset of the entry in the file, in bytes
     */
    public void found(String structure, long offset, long found, String expected) {
        if (!logged) {
            logged = true;
            log.log(
                    Level.ERROR,
                    DiskException.corrupt(file, structure, offset, String.format("0x%x", found), expected)
                                    .getMessage()
                            + "; this range and others like it end with I/O errors");
        }
    }
}
