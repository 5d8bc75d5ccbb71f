package org.blktap.core;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;

/** Calls an I/O engine, and turns its error numbers into the reasons that drivers and operators get. */
final class EngineCalls {
    private EngineCalls() {}

    /** Opens a queue of the engine on a loop. Loop only. */
    static IoQueue open(IoEngine engine, IoLoop loop) throws DiskException {
        try {
            return engine.open(loop);
        } catch (IOException e) {
            throw refused(e);
        }
    }

    /** Opens the file that a descriptor refers to, beside files of the queue that may be the same. */
    static IoFile open(IoQueue queue, Path path, int descriptor, boolean writable, List<IoFile> own)
            throws DiskException {
        try {
            return own.isEmpty() ? queue.open(path, descriptor, writable) : queue.open(path, descriptor, writable, own);
        } catch (IOException e) {
            throw refused(e);
        }
    }

    private static DiskException refused(IOException e) {
        int errno = e instanceof ErrnoException known ? known.errno() : Errno.EIO;
        Reason reason = switch (errno) {
            case Errno.ENOENT -> Reason.NOT_FOUND;
            case Errno.EACCES, Errno.EPERM, Errno.EROFS -> Reason.PERMISSION;
            case Errno.EBUSY -> Reason.BUSY;
            case Errno.EISDIR, Errno.ENOTBLK -> Reason.WRONG_TYPE;
            case Errno.EOPNOTSUPP -> Reason.UNSUPPORTED;
            default -> Reason.IO;
        };
        return new DiskException(reason, e.getMessage(), e);
    }
}
