package org.blktap.aio;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.blktap.api.engine.EngineName;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.osgi.service.component.annotations.Component;

/** Blocking calls on helper threads: for systems without libaio, and for comparison. */
@Component(service = IoEngine.class)
@EngineName(name = PortableEngine.NAME, summary = "blocking calls on helper threads")
public final class PortableEngine implements IoEngine {
    static final String NAME = "portable";

    @Override
    public IoQueue open(IoLoop loop) {
        return new IoQueue() {
            @Override
            public IoFile open(Path path, boolean writable) throws IOException {
                return new ThreadedFile(OpenedFile.open(path, writable), loop);
            }

            @Override
            public IoFile open(Path path, int descriptor, boolean writable) throws IOException {
                return new ThreadedFile(OpenedFile.open(path, descriptor, writable, List.of()), loop);
            }

            @Override
            public IoFile open(Path path, int descriptor, boolean writable, List<IoFile> own) throws IOException {
                return new ThreadedFile(OpenedFile.open(path, descriptor, writable, own), loop);
            }

            @Override
            public void close() {
                // nothing to close: the engine has only its files
            }
        };
    }

    @Override
    public String toString() {
        return NAME;
    }
}
