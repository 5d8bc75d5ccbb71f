package org.blktap.core;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.memory.NativeMemory;

/**
 * What one opening of one image may do; for each backing image there is another that knows its parent. Remembers all that was
 * opened, so that a driver that fails leaves nothing open, and all drivers that took part, so that their going parks the disk.
 */
final class OpenContext implements DiskContext {
    /** A chain longer than any real one; each image costs open files and memory. */
    private static final int MAX_DEPTH = 64;

    private final Environment environment;
    private final OpenContext above;
    private final boolean readOnly;
    private final Options options;
    private final List<String> backingTypes;
    private final List<IoFile> files = new ArrayList<>();
    private final List<Path> paths = new ArrayList<>();
    private final List<Created> created = new ArrayList<>();
    /** Of its backing image, if it has one. */
    private OpenContext below;

    /** A file that is being made. */
    private record Created(Path path, Path temporary) {
    }

    /**
     * What all openings of one attachment share.
     *
     * @param used receives the drivers that took part
     * @param kept receives what stays until the detach
     */
    record Environment(IoLoop loop, IoQueue queue, NativeMemory memory, Registry<DiskDriver> drivers, PathPolicy paths,
            Set<Registry.Entry<DiskDriver>> used, List<AutoCloseable> kept) {
    }

    OpenContext(Environment environment, boolean readOnly, Options options) {
        this(environment, null, readOnly, options, backingTypes(options));
    }

    private OpenContext(Environment environment, OpenContext above, boolean readOnly, Options options,
            List<String> backingTypes) {
        this.environment = environment;
        this.above = above;
        this.readOnly = readOnly;
        this.options = options;
        this.backingTypes = backingTypes;
    }

    private static List<String> backingTypes(Options options) {
        String list = options.text("backing-type", "");
        return list.isEmpty() ? List.of() : List.of(list.split(":"));
    }

    /**
     * Refuses types of backing files that no image of the chain has asked for; after opening.
     */
    void checkBackingTypes() throws DiskException {
        OpenContext last = this;
        while (last.below != null) {
            last = last.below;
        }
        if (!last.backingTypes.isEmpty()) {
            throw new DiskException(Reason.BAD_OPTION, "bad option backing-type=" + String.join(":", backingTypes)
                    + ": the chain has " + (backingTypes.size() - last.backingTypes.size()) + " backing files");
        }
    }

    /** Opens a disk with the driver of its type; on failure all that was opened is closed. */
    VirtualDisk open(String type, String path) throws DiskException {
        Registry.Entry<DiskDriver> driver = driver(environment.drivers(), type);
        environment.used().add(driver);
        boolean opened = false;
        try {
            VirtualDisk disk = driver.service().open(path, this);
            opened = true;
            return disk;
        } finally {
            if (!opened) {
                files.forEach(IoFile::close);
            }
        }
    }

    static Registry.Entry<DiskDriver> driver(Registry<DiskDriver> drivers, String type) throws DiskException {
        Registry.Entry<DiskDriver> driver = drivers.awaited(type);
        if (driver == null) {
            throw new MissingService(StateReason.Kind.NO_DRIVER, type, "no driver for tap:" + type + "; present: " + drivers.names());
        }
        return driver;
    }

    /** After a creation: the new files get their names, unless others have taken them meanwhile. */
    void nameCreated() throws DiskException {
        List<Path> named = new ArrayList<>();
        try {
            name(named);
        } catch (DiskException e) {
            // all or none
            for (Path each : named) {
                remove(each);
            }
            throw e;
        }
    }

    private void name(List<Path> named) throws DiskException {
        // the first is what names the others
        for (int i = created.size() - 1; i >= 0; i--) {
            Created each = created.get(i);
            try {
                try {
                    Files.createLink(each.path(), each.temporary());
                    Files.delete(each.temporary());
                } catch (UnsupportedOperationException | java.nio.file.FileSystemException e) {
                    if (Files.exists(each.path(), LinkOption.NOFOLLOW_LINKS)) {
                        throw exists(each.path());
                    }
                    // a file system without hard links
                    Files.move(each.temporary(), each.path());
                }
                named.add(each.path());
                try (FileChannel directory = FileChannel.open(each.path().toAbsolutePath().getParent())) {
                    directory.force(true);
                }
            } catch (IOException e) {
                throw DiskException.io(each.path(), "give the new image its name", e);
            }
        }
        created.clear();
    }

    /** Closes the files of the image and of all below it, whose disk could not. Nothing is in flight. */
    void closeFiles() {
        for (OpenContext each = this; each != null; each = each.below) {
            each.files.forEach(IoFile::close);
        }
    }

    /** After a failed creation: closes and removes what was made. */
    void undo() {
        files.forEach(IoFile::close);
        for (Created each : created) {
            remove(each.temporary());
        }
    }

    private static void remove(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            System.getLogger("org.blktap.core").log(System.Logger.Level.WARNING, path + ": could not be removed after a failed creation: " + e);
        }
    }

    private static DiskException exists(Path path) {
        return new DiskException(Reason.EXISTS, path + ": exists already; remove it first");
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
        return environment.loop();
    }

    @Override
    public NativeMemory memory() {
        return environment.memory();
    }

    @Override
    public IoFile openFile(Path path) throws DiskException {
        for (Created each : created) {
            if (each.path().equals(path)) {
                IoFile file = environment.queue().open(each.temporary(), !readOnly);
                files.add(file);
                return file;
            }
        }
        Path real = real(path);
        for (OpenContext up = above; up != null; up = up.above) {
            if (up.paths.contains(real)) {
                throw new DiskException(Reason.CORRUPT, path + ": backs itself through "
                        + up.paths.get(0) + "; a chain of images may not have a circle");
            }
        }
        paths.add(real);
        IoFile file = environment.queue().open(path, !readOnly);
        files.add(file);
        return file;
    }

    private static Path real(Path path) throws DiskException {
        try {
            return path.toRealPath();
        } catch (NoSuchFileException e) {
            throw new DiskException(Reason.NOT_FOUND, path + ": no such file");
        } catch (java.nio.file.AccessDeniedException e) {
            throw new DiskException(Reason.PERMISSION, path + ": no permission to reach it");
        } catch (IOException e) {
            throw DiskException.io(path, "resolve", e);
        }
    }

    /** Made under a name of its own, so that a half-written image is never found under the final one. */
    @Override
    public IoFile createFile(Path path) throws DiskException {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            throw exists(path);
        }
        Path temporary;
        try {
            temporary = Unfinished.create(path);
        } catch (NoSuchFileException e) {
            throw new DiskException(Reason.NOT_FOUND, path + ": no such directory");
        } catch (java.nio.file.AccessDeniedException e) {
            throw new DiskException(Reason.PERMISSION, path + ": no permission to create it");
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
        if (created.isEmpty()) {
            Unfinished.removeLeftOver(temporary);
        }
        created.add(new Created(path, temporary));
        IoFile file = environment.queue().open(temporary, true);
        files.add(file);
        return file;
    }

    @Override
    public Path confine(Path image, String named) throws DiskException {
        Path beside;
        try {
            beside = image.resolveSibling(named);
        } catch (InvalidPathException e) {
            throw new DiskException(Reason.CORRUPT, image + ": names a file by an impossible path: " + e.getReason());
        }
        if (created.stream().anyMatch(each -> each.path().equals(beside))) {
            // made together with the image, which is not there yet either
            return beside;
        }
        return environment.paths().confine(image, named);
    }

    @Override
    public VirtualDisk openBacking(String type, Path path) throws DiskException {
        int depth = 1;
        for (OpenContext up = above; up != null; up = up.above) {
            depth++;
        }
        if (depth >= MAX_DEPTH) {
            throw new DiskException(Reason.CORRUPT, path + ": the chain of backing images is longer than " + MAX_DEPTH);
        }
        List<String> rest = backingTypes.isEmpty() ? backingTypes : backingTypes.subList(1, backingTypes.size());
        below = new OpenContext(environment, this, true, Options.none(), rest);
        return below.open(type, path.toString());
    }

    @Override
    public String backingType(String otherwise) {
        return backingTypes.isEmpty() ? otherwise : backingTypes.get(0);
    }

    @Override
    public void untilDetach(AutoCloseable resource) {
        environment.kept().add(resource);
    }
}
