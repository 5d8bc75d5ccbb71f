package org.blktap.api.testkit;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;

/**
 * The context of a driver that opens no files: of a disk in memory or on a network. Everything to do with files throws;
 * a test that wants backing disks overrides {@link #openBacking}. For image formats there is
 * {@code org.blktap.image.sim.SimContext}.
 */
public class TestDiskContext implements DiskContext {
    private final IoLoop loop;
    private final NativeMemory memory;
    private final Options options;
    private final boolean readOnly;
    private final List<AutoCloseable> kept = new ArrayList<>();

    public TestDiskContext(IoLoop loop, NativeMemory memory, Options options, boolean readOnly) {
        this.loop = loop;
        this.memory = memory;
        this.options = options;
        this.readOnly = readOnly;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public Options options() {
        return options;
    }

    @Override
    public IoLoop loop() {
        return loop;
    }

    @Override
    public NativeMemory memory() {
        return memory;
    }

    @Override
    public IoFile openFile(Path path) {
        throw noFiles(path);
    }

    @Override
    public IoFile createFile(Path path) {
        throw noFiles(path);
    }

    @Override
    public Path confine(Path image, String named) {
        throw noFiles(image);
    }

    @Override
    public VirtualDisk openBacking(String type, Path path) throws DiskException {
        throw noFiles(path);
    }

    private static UnsupportedOperationException noFiles(Path path) {
        return new UnsupportedOperationException(path + ": this context has no files");
    }

    @Override
    public String backingType(String otherwise) {
        return otherwise;
    }

    @Override
    public void untilDetach(AutoCloseable resource) {
        kept.add(resource);
    }

    /** Closes what the driver has kept until the detach. */
    public void detach() throws Exception {
        for (AutoCloseable resource : kept) {
            resource.close();
        }
        kept.clear();
    }
}
