package org.blktap.api.disk;

import java.nio.file.Path;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.osgi.annotation.versioning.ProviderType;

/**
 * What the core gives a driver while it opens, creates or checks one image. All that is opened through it is closed by
 * the driver.
 */
@ProviderType
public interface DiskContext {
    /** Whether the disk must refuse writes; its files are then opened read-only. */
    boolean readOnly();

    /** The options of the attach or create; the core refuses those that the driver has not asked for. */
    Options options();

    /** The loop that will run the disk. */
    IoLoop loop();

    NativeMemory memory();

    /**
     * Opens a file on the disk's engine and loop, writable unless {@link #readOnly}: one that the operator named, or a
     * {@link #confine confined} one. The core refuses a file that is in use in a way that does not go together with
     * this one. It opens a confined file for writing only if the file was made together with the image, or the operator
     * allows it ({@code -o external-files=writable}): another's disk may have any name.
     */
    IoFile openFile(Path path) throws DiskException;

    /**
     * Opens a confined file that belongs to the image by the naming rules of its format, such as {@code disk-flat.vmdk}
     * of {@code disk.vmdk}: it may be written if it lies beside the image.
     */
    default IoFile openPart(Path path) throws DiskException {
        return openFile(path);
    }

    /**
     * Makes a new file and opens it for writing, for create only. It has another name until the creation has succeeded,
     * and is removed if it fails.
     *
     * @throws DiskException EXISTS if there is a file of the name
     */
    IoFile createFile(Path path) throws DiskException;

    /**
     * Resolves a path that an image names. A relative one is taken from the image's own directory. It may lead, after
     * all links, only to a regular file or block device under that directory or under a configured image root. The file
     * that was found is held until it is opened, by {@link #openFile}, {@link #openPart} or {@link #openBacking} with
     * the path that this returns: so what was judged is what is opened.
     *
     * @param image the image that names it
     * @param named the name in the image
     * @throws DiskException FORBIDDEN_PATH or NOT_FOUND
     */
    Path confine(Path image, String named) throws DiskException;

    /**
     * Resolves the name that an image has for its backing image: that of a file as {@link #confine} does. A name of
     * what others serve must lie under a configured image root of its type, such as {@code tap:rbd:bases}.
     *
     * @param type of the backing image
     * @return for {@link #openBacking}
     * @throws DiskException FORBIDDEN_PATH or NOT_FOUND
     */
    default Path confineBacking(String type, Path image, String named) throws DiskException {
        return confine(image, named);
    }

    /**
     * Opens a backing disk, read-only, with the driver of its type; it is the caller's to close.
     *
     * @param type a {@code tap.type}, from the attach or the image's header, never guessed from its contents
     * @param path a confined path
     */
    VirtualDisk openBacking(String type, Path path) throws DiskException;

    /**
     * The type that the attach names for the backing file ({@code -o backing-type=}), or {@code otherwise}. In a chain
     * the option lists the types from top to bottom, separated by colons.
     */
    String backingType(String otherwise);

    /**
     * Has something undone that the driver has made and that is no file, such as an image in a cluster, if the creation
     * fails later, by whatever is done with the new image. For create only.
     *
     * @param undo may block; called on a control thread, with nothing of the image open
     */
    default void onFailedCreation(Runnable undo) {
        // nobody would call it
    }

    /**
     * Reports that the disk has lost its image to another host, and cannot serve it any more. The attachment is parked
     * until an operator resumes it; its VM waits. Requests that end with an error from now on are not failed: they are
     * submitted again to the disk that is opened next. A flush of the lost disk must fail only if a write that has
     * ended may be lost. Loop only.
     *
     * @param why one line for people
     */
    default void lost(String why) {
        // work that is not an attachment's fails with its requests
    }

    /**
     * Keeps something until the attachment is detached, across parking and replacement of the driver. Not an object of
     * the driver's own classes, which are gone with its bundle.
     */
    void untilDetach(AutoCloseable resource);
}
