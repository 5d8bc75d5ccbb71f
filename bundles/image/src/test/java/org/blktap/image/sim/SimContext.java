package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.testkit.CountedMemory;
import org.blktap.linux.NativeMemoryService;

/** What a driver needs to open and create images that are {@link SimFile}s, by name. */
public class SimContext implements DiskContext {
    public final SimLoop loop;
    public final Map<Path, SimFile> files = new HashMap<>();
    /** Drivers of backing images that are not raw, by type. */
    public final Map<String, DiskDriver> drivers = new HashMap<>();

    /** The type of a backing image where neither its format nor its overlay says it; null for the driver's own. */
    public String usualBackingType;

    public final CountedMemory memory;
    private final Options options;
    private final boolean readOnly;

    public SimContext(SimLoop loop, boolean readOnly, Map<String, String> options) {
        this(loop, readOnly, options, new CountedMemory(new NativeMemoryService()));
    }

    private SimContext(SimLoop loop, boolean readOnly, Map<String, String> options, CountedMemory memory) {
        this.memory = memory;
        this.loop = loop;
        this.readOnly = readOnly;
        this.options = new Options(options);
    }

    /** Returns a context with the same files, read-only: a check then repairs nothing. */
    public SimContext forReading() {
        SimContext other = new SimContext(loop, true, options.asMap(), memory);
        other.files.putAll(files);
        other.drivers.putAll(drivers);
        other.usualBackingType = usualBackingType;
        return other;
    }

    /** Returns a context with the same files and other options. */
    public SimContext with(Map<String, String> other) {
        SimContext context = new SimContext(loop, readOnly, other, memory);
        context.files.putAll(files);
        context.drivers.putAll(drivers);
        context.usualBackingType = usualBackingType;
        return context;
    }

    /** Returns a context for a backing image, which has no options. */
    private SimContext below() {
        SimContext context = new SimContext(loop, true, Map.of(), memory);
        context.files.putAll(files);
        context.drivers.putAll(drivers);
        context.usualBackingType = usualBackingType;
        return context;
    }

    /** Adds a file. */
    public SimFile put(String path, byte[] bytes) {
        SimFile file = new SimFile(loop, FileNames.path(path), bytes);
        files.put(FileNames.path(path), file);
        return file;
    }

    /**
     * Expects that a driver refuses an image with a message that has the image's name, and leaves no file open. Returns
     * the message.
     */
    public String refused(DiskDriver driver, SimFile image, DiskException.Reason reason) {
        DiskException e =
                assertThrows(DiskException.class, () -> driver.open(image.path().toString(), this));
        assertEquals(reason, e.reason(), e.getMessage());
        assertTrue(e.getMessage().contains(image.path().toString()), e.getMessage());
        assertEquals(
                List.of(),
                files.values().stream()
                        .filter(SimFile::isOpen)
                        .map(SimFile::path)
                        .toList(),
                "left open");
        return e.getMessage();
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
    public IoFile openFile(Path path) throws DiskException {
        SimFile file = files.get(path.normalize());
        if (file == null) {
            throw new DiskException(DiskException.Reason.NOT_FOUND, path + ": no such file");
        }
        return file.opened();
    }

    @Override
    public IoFile createFile(Path path) throws DiskException {
        if (files.containsKey(path)) {
            throw new DiskException(DiskException.Reason.EXISTS, path + ": exists already");
        }
        return put(FileNames.text(path), new byte[0]).opened();
    }

    @Override
    public Path confine(Path image, String named) throws DiskException {
        try {
            return image.resolveSibling(FileNames.path(named));
        } catch (InvalidPathException e) {
            throw new DiskException(
                    DiskException.Reason.CORRUPT, image + ": names a file by an impossible path: " + e.getReason());
        }
    }

    /** Raw, unless its type is one of {@link #drivers}. */
    @Override
    public VirtualDisk openBacking(String type, Path path) throws DiskException {
        DiskDriver driver = drivers.get(type);
        return driver == null ? new SimRawDisk(openFile(path)) : driver.open(FileNames.text(path), below());
    }

    @Override
    public String backingType(String otherwise) {
        return otherwise == null ? usualBackingType : otherwise;
    }

    @Override
    public void untilDetach(AutoCloseable resource) {
        throw new UnsupportedOperationException("no image format keeps anything until the detach");
    }
}
