package org.blktap.image;

import java.util.List;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;

/** All files into which a disk puts bytes. Loop only. */
final class DataFiles {
    private final IoFile[] files;
    private final Pool<Flush> flushes = new Pool<>(pool -> new Flush());

    DataFiles(List<IoFile> files) {
        this.files = files.toArray(new IoFile[0]);
    }

    /** Makes all data written to the files survive power loss. */
    void flush(IoCallback done) {
        if (files.length == 1) {
            files[0].flush(done);
        } else {
            flushes.take().start(done);
        }
    }

    /** A flush of all of them. Pooled. */
    private final class Flush implements IoCallback {
        private IoCallback whenDone;
        private int pending;
        private int error;

        private void start(IoCallback done) {
            whenDone = done;
            error = 0;
            pending = files.length + 1;
            for (IoFile file : files) {
                file.flush(this);
            }
            done(0);
        }

        @Override
        public void done(int e) {
            if (error == 0) {
                error = e;
            }
            if (--pending == 0) {
                IoCallback done = whenDone;
                whenDone = null;
                flushes.give(this);
                done.done(error);
            }
        }
    }
}
