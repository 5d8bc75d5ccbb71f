package org.blktap.api.filter;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Puts a disk of its own on top of another: a service with the property {@code filter.type} ({@link FilterType}), which
 * {@code --filter <type>[,key=value]...} names. One service serves all attachments; several threads call its methods at
 * once, and they may block. Nothing it makes may outlive the service.
 */
@ConsumerType
public interface DiskFilter {
    /**
     * Makes the disk that VMs, or the filters above, see in place of the one below. Where a filter is added to a
     * running attachment, the disk below serves requests meanwhile; what the filter itself reads of it, it reads by
     * {@link org.blktap.api.disk.BlockingDisk}. Options that are not asked for are refused afterwards, and the new disk
     * is closed; so a filter asks for all that it knows.
     *
     * @throws DiskException with nothing left open; the disk below stays open in any case
     */
    PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException;

    /**
     * Whether a VM that reads through the filter gets other bytes than one that reads the disk below, as with
     * encryption. Such a filter is neither added to nor removed from an attachment that exists. Constant.
     */
    default boolean changesContents() {
        return false;
    }

    /**
     * Whether a filter that is added to an attachment belongs directly on the image, below filters that are there, such
     * as one that copies the image, which must see it as it is stored. Constant.
     */
    default boolean onImage() {
        return false;
    }

    /**
     * The spec with which a writable disk that is being opened needs the filter, though no operator has asked for it,
     * such as for a bitmap that the image says must record all writes. The filter then is on record as if it had been
     * asked for. Called if the disk has no filter of the type, before it takes requests.
     *
     * @return null for none
     */
    default String impliedBy(VirtualDisk disk) throws DiskException {
        return null;
    }

    /**
     * Prepares a new disk, below, for the filter, such as by a header. Called when an image is created with the filter;
     * the options are those of the creation.
     */
    default void format(VirtualDisk below, FilterContext context) throws DiskException {
        // most filters store nothing
    }

    /**
     * The size that a new disk below must have.
     *
     * @param sizeBytes the size of the disk that the filter shows, a multiple of 512
     * @param options of the creation
     */
    default long sizeBelow(long sizeBytes, Options options) throws DiskException {
        return sizeBytes;
    }
}
