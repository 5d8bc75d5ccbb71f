package org.blktap.core;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.FileStatus;
import org.blktap.linux.PinnedFile;

/**
 * Gives a driver what it needs to open one image; each backing image has its own context, which knows its parent.
 * Records all files ({@link OpenFiles}) and disks that were opened, so that a driver that fails leaves nothing open,
 * and all drivers that took part, so that the disk is parked when one of them goes.
 */
final class OpenContext implements DiskContext, AutoCloseable {
    /** A chain longer than any real one; each image costs open files and memory. */
    private static final int MAX_DEPTH = 64;
    /** The option that lists the types of the backing files, from top to bottom. */
    static final String BACKING_TYPE = "backing-type";

    private final OpenEnvironment environment;
    private final OpenContext above;
    private final boolean readOnly;
    private final Options options;
    private final List<String> backingTypes;
    private final OpenFiles files = new OpenFiles();
    private final NewFiles created = new NewFiles();
    /** What removes that which was made and is no file. */
    private final List<Runnable> undoing = new ArrayList<>();

    private final NamedFiles named;
    private boolean devicesOnly;
    /** An image that is open, and lends what it is to the overlay that is made here; null for none. */
    private OpenContext lender;

    private DiskInfo lent;
    /** What was opened last. */
    private TapSpec spec;

    private final WatchedFile.Watch watch;
    /** The context of its backing image, if it has one. */
    private volatile OpenContext below;

    OpenContext(OpenEnvironment environment, boolean readOnly, Options options) {
        this(environment, readOnly, options, null);
    }

    /** @param watch whoever watches the files; null if nobody ever does */
    OpenContext(OpenEnvironment environment, boolean readOnly, Options options, WatchedFile.Watch watch) {
        this(environment, null, readOnly, options, backingTypes(options), watch);
    }

    private OpenContext(
            OpenEnvironment environment,
            OpenContext above,
            boolean readOnly,
            Options options,
            List<String> backingTypes,
            WatchedFile.Watch watch) {
        this.environment = environment;
        this.watch = watch;
        this.above = above;
        this.readOnly = readOnly;
        this.options = options;
        this.backingTypes = backingTypes;
        this.named = new NamedFiles(environment.paths(), options);
    }

    private static List<String> backingTypes(Options options) {
        String list = options.text(BACKING_TYPE, "");
        return list.isEmpty() ? List.of() : List.of(list.split(":"));
    }

    /** Refuses types of backing files that no image of the chain has asked for; after opening. */
    void checkBackingTypes() throws DiskException {
        OpenContext last = this;
        while (last.below != null) {
            last = last.below;
        }
        if (!last.backingTypes.isEmpty()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad option backing-type=" + String.join(":", backingTypes) + ": the chain has "
                            + (backingTypes.size() - last.backingTypes.size()) + " backing files");
        }
    }

    /** Opens a disk with the driver of its type; on failure all that was opened is closed. */
    VirtualDisk open(String type, String path) throws DiskException {
        Registry.Entry<DiskDriver> driver = driver(environment.drivers(), type);
        environment.used().add(driver);
        spec = new TapSpec(type, path);
        try (CloseOnFailure opened = new CloseOnFailure(files::close)) {
            return opened.keep(driver.service().open(path, this));
        } finally {
            close();
        }
    }

    /** Closes what was looked up and not opened. The files that were opened stay. */
    @Override
    public void close() {
        named.close();
    }

    static Registry.Entry<DiskDriver> driver(Registry<DiskDriver> drivers, String type) throws DiskException {
        Registry.Entry<DiskDriver> driver = drivers.awaited(type);
        if (driver == null) {
            throw new MissingService(
                    StateReason.Kind.NO_DRIVER, type, "no driver for tap:" + type + "; present: " + drivers.names());
        }
        return driver;
    }

    /**
     * From now on, the backing disk is an image that is open already, perhaps for writing, of which a driver can only
     * ask what it is.
     *
     * @param image null for none
     */
    void lend(OpenContext image, DiskInfo info) {
        lender = image;
        lent = info;
    }

    /** The file of the image; null if it has none. */
    FileStatus file() {
        return files.first() == null ? null : files.first().status();
    }

    /** The image that is open. */
    TapSpec spec() {
        return spec;
    }

    /** The types of the images below, as the attach lists them; may be empty. */
    List<String> backingTypes() {
        return backingTypes;
    }

    /** The context of the backing image; null if it has none. */
    OpenContext below() {
        return below;
    }

    /** The files that it has opened so far. */
    List<OpenFiles.Opened> files() {
        return files.opened();
    }

    /** Whether this very file is open as a part of the image. */
    boolean has(FileStatus status) {
        return files.has(status);
    }

    /** Whether this is the image, which others serve. */
    boolean is(TapSpec remote) {
        return remote.equals(spec);
    }

    /** Has a creation make a file once more that is there and keeps its name. The context closes it. */
    void createAgain(Path path, PinnedFile file) {
        created.again(path, file);
    }

    /** Gives new files their names after a creation, unless others have taken them meanwhile. */
    void nameCreated() throws DiskException {
        created.nameAll();
    }

    /** The disk is being closed: its files are of no account to others of the attachment. */
    void forget() {
        environment.own().remove(this);
    }

    /** Gives the only new file its name, and marks it as an overlay of a snapshot. */
    FileStatus nameMarked(String mark) throws DiskException {
        return created.nameMarked(mark);
    }

    /** Closes the files of the image and of all images below it, if their disk failed to. No request is in flight. */
    void closeFiles() {
        for (OpenContext each = this; each != null; each = each.below) {
            each.files.close();
        }
    }

    /** Closes and removes what was made, after a failed creation. */
    void undo() {
        files.close();
        created.undo();
        undoing.forEach(Runnable::run);
        undoing.clear();
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
        return openFile(path, false);
    }

    @Override
    public IoFile openPart(Path path) throws DiskException {
        return openFile(path, true);
    }

    private IoFile openFile(Path path, boolean part) throws DiskException {
        PinnedFile made = created.get(path);
        if (made != null) {
            return opened(path, made);
        }
        PathPolicy.Confined found = named.take(path);
        try (PinnedFile file = found != null ? found.file() : pinned(path)) {
            if (found != null && !readOnly) {
                named.checkOwn(found, part);
            }
            if (devicesOnly && !file.status().blockDevice()) {
                throw new DiskException(Reason.WRONG_TYPE, FileNames.text(path) + ": is no block device any more");
            }
            checkCircle(path, file.status());
            return opened(path, file);
        }
    }

    /** The file that a driver opens by itself, not locked yet; null if the path leads to no file or block device. */
    LockedFile lockedFile(String text) throws DiskException {
        Path path;
        try {
            path = FileNames.path(text);
        } catch (InvalidPathException e) {
            return null;
        }
        try (PinnedFile file = pinned(path)) {
            checkCircle(path, file.status());
            files.note(path, file.status());
            return LockedFile.of(path, file);
        } catch (DiskException e) {
            if (e.reason() == Reason.CORRUPT) {
                throw e;
            }
            // it need not be a file's
            return null;
        }
    }

    /** Whether it is an image that has named this path, not the operator. */
    boolean isNamedByImage(String path) {
        return above != null && above.named.held(FileNames.path(path)) != null;
    }

    /** From now on, {@link #openFile} refuses everything but block devices. */
    void devicesOnly() {
        devicesOnly = true;
    }

    /** The file that the image above has found, or that the operator's path leads to. */
    private PinnedFile pinned(Path path) throws DiskException {
        PinnedFile held = above == null ? null : above.named.held(path);
        return held == null ? PinnedFile.of(path) : held.again();
    }

    private void checkCircle(Path path, FileStatus status) throws DiskException {
        for (OpenContext up = above; up != null; up = up.above) {
            if (up.has(status)) {
                throw new DiskException(
                        Reason.CORRUPT,
                        FileNames.text(path) + ": backs itself through "
                                + up.files.first().path() + "; a chain of images may not have a circle");
            }
        }
    }

    private IoFile opened(Path path, PinnedFile pinned) throws DiskException {
        named.image(path, pinned);
        files.note(path, pinned.status());
        IoFile file = EngineCalls.open(environment.queue(), path, pinned.fd(), !readOnly, ownFiles(pinned.status()));
        return files.add(pinned.status(), file, watch);
    }

    /** This very file where the attachment has it open. What writes it shares it with none that writes it too. */
    private List<IoFile> ownFiles(FileStatus status) {
        List<IoFile> found = new ArrayList<>();
        for (OpenContext top : environment.own()) {
            for (OpenContext each = top; each != null; each = each.below) {
                found.addAll(each.files.shared(status, readOnly));
            }
        }
        return found;
    }

    @Override
    public IoFile createFile(Path path) throws DiskException {
        PinnedFile made = created.create(path);
        named.image(path, made);
        return files.add(EngineCalls.open(environment.queue(), path, made.fd(), true, List.of()));
    }

    @Override
    public Path confine(Path image, String name) throws DiskException {
        Path beside;
        try {
            beside = image.resolveSibling(FileNames.path(name));
        } catch (InvalidPathException e) {
            throw new DiskException(
                    Reason.CORRUPT, FileNames.text(image) + ": names a file by an impossible path: " + e.getReason());
        }
        if (created.get(beside) != null) {
            // made together with the image, which is not there yet either
            return beside;
        }
        return named.confine(image, name);
    }

    @Override
    public Path confineBacking(String type, Path image, String name) throws DiskException {
        return TapSpec.isRemote(type) ? named.confineRemote(image, type, name) : confine(image, name);
    }

    @Override
    public VirtualDisk openBacking(String type, Path path) throws DiskException {
        if (lender != null) {
            return borrowed(type, path);
        }
        int depth = 1;
        for (OpenContext up = above; up != null; up = up.above) {
            depth++;
        }
        if (depth >= MAX_DEPTH) {
            throw new DiskException(
                    Reason.CORRUPT, FileNames.text(path) + ": the chain of backing images is longer than " + MAX_DEPTH);
        }
        List<String> rest = backingTypes.isEmpty() ? backingTypes : backingTypes.subList(1, backingTypes.size());
        below = new OpenContext(environment, this, true, Options.none(), rest, watch);
        return below.open(type, FileNames.text(path));
    }

    private VirtualDisk borrowed(String type, Path path) throws DiskException {
        PinnedFile found = named.held(path);
        boolean same = TapSpec.isRemote(type)
                ? lender.is(new TapSpec(type, FileNames.text(path)))
                : found != null && lender.has(found.status());
        if (!same) {
            throw new DiskException(
                    Reason.WRONG_TYPE,
                    FileNames.text(path) + ": is not the image that is open: it was moved or replaced");
        }
        return new BorrowedDisk(lent);
    }

    @Override
    public String backingType(String otherwise) {
        return backingTypes.isEmpty() ? otherwise : backingTypes.get(0);
    }

    @Override
    public void onFailedCreation(Runnable undo) {
        undoing.add(undo);
    }

    @Override
    public void lost(String why) {
        environment.lost().accept(why);
    }

    @Override
    public void untilDetach(AutoCloseable resource) {
        environment.kept().add(resource);
    }
}
