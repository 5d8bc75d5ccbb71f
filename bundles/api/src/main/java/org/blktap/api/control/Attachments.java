package org.blktap.api.control;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The attachments of this daemon: the service that all commands use. Any thread but a loop; methods block until done.
 */
@ProviderType
public interface Attachments {
    /**
     * Opens a disk and its nodes and keeps the configuration, so that a restart attaches it again. All or nothing.
     *
     * <p>With the option {@code wait-for-lock=SECONDS} an image that others have open is waited for: this returns at
     * once, in the state {@link AttachmentStatus.State#OPENING} with {@link StateReason.Kind#IMAGE_IN_USE}, and the
     * disk opens when they let go of it; if they do not in time, it is parked.
     */
    AttachmentStatus attach(AttachRequest request) throws DiskException;

    /**
     * Asks the VMs to release the device, stops the nodes, drains, flushes, closes and forgets.
     *
     * @param force does not ask the VMs, interrupts the operation under way, and returns within seconds even if code of
     *     a driver or node does not: then the attachment stays listed as {@link AttachmentStatus.State#DETACHING} until
     *     that code returns. A disk that {@linkplain org.blktap.api.disk.VirtualDisk#savesAtDetach saves its contents}
     *     is saved all the same
     * @throws DiskException NOT_FOUND; BUSY if a VM keeps the device, requests do not end, or some are held because the
     *     storage has failed them, and then it stays attached; IO if a flush has failed that was not reported to the
     *     VM, in which case it is detached all the same
     */
    void detach(String id, boolean force) throws DiskException;

    /** Detaches after asking the VMs. */
    default void detach(String id) throws DiskException {
        detach(id, false);
    }

    /**
     * Adds a node to an attachment, and records it. The others are not disturbed. If the disk has not been open yet,
     * since its image is waited for, the node is opened with it.
     *
     * @param node a node spec, as for attach
     */
    void plug(String id, String node) throws DiskException;

    /**
     * Takes a node away: asks its VM to let the device go, waits for what is under way, and records it.
     *
     * @param node its spec, its address, or its kind if there is one of that only
     * @param force not to ask the VM
     * @throws DiskException NOT_FOUND; BUSY if the VM keeps the device
     */
    void unplug(String id, String node, boolean force) throws DiskException;

    /**
     * Puts a filter into an attachment while its VM uses it, and records it. The disk stays open; requests wait while
     * those in flight end. If an operator has parked it, the filter is only recorded.
     *
     * @param spec {@code type[,key=value…]}
     * @param below the type of the filter that the new one is put below; null to put it above all
     * @return how long requests waited
     * @throws DiskException NOT_FOUND; EXISTS if it has a filter of the type; BUSY if it is neither running nor parked
     *     by an operator, or if its requests do not end; UNSUPPORTED for a filter that changes what the VM reads, or
     *     the size; and what opening the filter throws
     */
    Duration addFilter(String id, String spec, String below) throws DiskException;

    /**
     * Changes options of a filter while the VM uses the disk, and records them.
     *
     * @param values the options that change; an empty value takes an option back
     * @return how long requests waited: zero if the filter could change them in place
     * @throws DiskException NOT_FOUND; BUSY as {@link #addFilter}; BAD_OPTION, and what opening the filter throws, and
     *     then nothing has changed
     */
    Duration setFilter(String id, String type, Map<String, String> values) throws DiskException;

    /**
     * Takes a filter out of an attachment while its VM uses it, and records that.
     *
     * @return how long requests waited
     * @throws DiskException NOT_FOUND; BUSY as {@link #addFilter}; UNSUPPORTED for a filter that changes what the VM
     *     reads, or that is not installed and may be such a filter
     */
    Duration removeFilter(String id, String type) throws DiskException;

    /**
     * Changes options of an attachment while its VM uses it, and records them: {@link AttachRequest#ON_ENOSPC} and
     * {@link AttachRequest#ON_EIO}. Requests that are held already stay so until a {@link #resume}, which is under the
     * new options.
     *
     * @param values the options that change; an empty value takes an option back
     * @throws DiskException NOT_FOUND; BAD_OPTION for another option or a wrong value, and then nothing has changed
     */
    void setOptions(String id, Map<String, String> values) throws DiskException;

    /**
     * All, by id, within two seconds: one whose loop does not answer is shown with what is known, and
     * {@link StateReason.Kind#NOT_RESPONDING}.
     */
    List<AttachmentStatus> list();

    /** @throws DiskException NOT_FOUND */
    AttachmentStatus status(String id) throws DiskException;

    /**
     * Returns what the disk of an attachment is, as its nodes see it; of the last open one while it is parked.
     *
     * @throws DiskException NOT_FOUND
     */
    DiskInfo disk(String id) throws DiskException;

    /** @throws DiskException NOT_FOUND */
    AttachmentStats stats(String id) throws DiskException;

    /** Those of all attachments, by id. */
    default List<AttachmentStats> stats() throws DiskException {
        List<AttachmentStats> all = new ArrayList<>();
        for (AttachmentStatus each : list()) {
            try {
                all.add(stats(each.id()));
            } catch (DiskException e) {
                if (e.reason() != DiskException.Reason.NOT_FOUND) {
                    throw e;
                }
                // detached since the list was made
            }
        }
        return all;
    }

    /**
     * Grows a disk while its VM uses it. Drains and closes the disk, grows the image by its driver, opens it again and
     * announces the new size. Requests of the VM wait meanwhile. If the image cannot grow, the VM continues with the
     * old size.
     *
     * @param sizeBytes the new size; -1 to take the size that the image has now, as of a block device or file that
     *     others have made larger
     * @return the size that the VM sees now
     * @throws DiskException NOT_FOUND; BUSY if the disk is not running or its requests do not end; BAD_OPTION for a
     *     size that is smaller or no whole number of sectors; and what opening or resizing the image throws
     */
    long resize(String id, long sizeBytes) throws DiskException;

    /**
     * Makes a new overlay of each of several disks at one point in time: requests to all of them wait, each disk is
     * flushed, its image becomes the backing of the overlay, and the overlay is recorded and opened in its place. It
     * happens to all or to none, also if the daemon is killed meanwhile.
     *
     * @return how long requests waited, for each
     * @throws DiskException NOT_FOUND; BUSY if one is not running or its requests do not end; UNSUPPORTED for a type
     *     without overlays, a read-only disk, or one that saves its contents at the detach; EXISTS if there is a file
     *     of the name; and what creating or opening an overlay throws, and then all disks continue as before
     */
    List<Duration> snapshot(List<Overlay> overlays) throws DiskException;

    /**
     * The overlay that a disk continues in.
     *
     * @param id of the attachment
     * @param image the new image
     * @param options of its creation
     */
    record Overlay(String id, TapSpec image, Map<String, String> options) {
        public Overlay {
            options = Map.copyOf(options);
        }
    }

    /**
     * Has a running disk continue with an image that holds the same, in one pause: requests wait, the disk is flushed
     * and closed, the change is recorded, and the image is opened. If it cannot be opened, the disk continues as
     * before.
     *
     * @return how long requests waited
     * @throws DiskException NOT_FOUND; BUSY if it is not running or its requests do not end; NOT_FOUND if it has not
     *     the filter; and what rebasing or opening throws
     */
    Duration switchImage(String id, ImageSwitch to) throws DiskException;

    /**
     * Another image for a disk.
     *
     * @param image what is opened from now on; the same as before if only its chain changes
     * @param options of the attachment from now on
     * @param overlay an image of the chain that gets another backing image while the disk is closed; null for none
     * @param backing the overlay's backing image from now on; null for none
     * @param withoutFilter the type of a filter that is taken out in the same step; null for none
     */
    record ImageSwitch(
            TapSpec image, Map<String, String> options, TapSpec overlay, TapSpec backing, String withoutFilter) {
        public ImageSwitch {
            options = Collections.unmodifiableMap(new LinkedHashMap<>(options));
        }
    }

    /**
     * Makes a backing image of a running disk larger, in one pause: requests wait, the disk is flushed and closed, the
     * image is made larger, and the disk is opened again. It keeps its own size. If it fails, or the daemon is killed
     * meanwhile, the image has the old size or the new one.
     *
     * @param image of the disk's chain
     * @param options of the image's driver
     * @return how long requests waited
     * @throws DiskException NOT_FOUND; BUSY if the disk is not running, its requests do not end, or another attachment
     *     has the image open; BAD_OPTION if the image is not of the chain; and what its driver throws
     */
    Duration growBacking(String id, TapSpec image, Map<String, String> options, long sizeBytes) throws DiskException;

    /**
     * Changes the medium of a drive while its VM uses it: an attachment that is read-only. The VM sees the size of the
     * new one. If it cannot be opened, the drive keeps what it has. {@code tap:empty:NAME} is no medium: requests fail
     * with ENOMEDIUM, and the size is 0.
     *
     * @param force also of a writable disk, whose VM must not use it meanwhile
     * @throws DiskException NOT_FOUND; BUSY if its requests do not end; BAD_OPTION if it is writable; WRONG_TYPE if the
     *     medium differs in sector size or access; UNSUPPORTED for a disk that saves its contents at the detach; and
     *     what opening the medium throws
     */
    void exchange(String id, TapSpec medium, boolean force) throws DiskException;

    /**
     * Stops taking requests, drains, flushes and closes the disk; the VM waits. Stays until {@link #resume}.
     *
     * @throws DiskException NOT_FOUND; BUSY if requests do not end, and then it continues; IO if the flush failed: it
     *     is parked all the same, and the VM's next flush fails
     */
    void park(String id) throws DiskException;

    /**
     * Opens a parked disk again, and has the requests that are held because the storage has failed them tried again.
     *
     * @throws DiskException NOT_FOUND; what opening it throws; NO_SPACE or IO if requests that are tried again fail,
     *     and then it stays parked
     */
    void resume(String id) throws DiskException;

    /**
     * Opens another image in place of a disk that is {@link #park parked}: its VM continues with that, and so does a
     * restart. The nodes, their clients and the options stay. If it fails, the attachment stays parked, with the image
     * that it had.
     *
     * @throws DiskException NOT_FOUND; BUSY if nobody parked it; WRONG_TYPE if the image differs in sector size or
     *     access, or that of a writable disk in size, which the VM knows; UNSUPPORTED for a disk that saves its
     *     contents at the detach; and what opening it throws
     */
    void resume(String id, TapSpec image) throws DiskException;

    /**
     * Opens the disk of an attachment read-only from now on, also after a restart; its VMs see a pause. Nothing happens
     * if it is read-only.
     *
     * @throws DiskException NOT_FOUND; BUSY if a VM {@linkplain org.blktap.api.node.DeviceNode#mayWrite may be writing}
     *     or requests do not end, and then nothing has changed; what opening it throws, and then it is parked
     */
    void makeReadOnly(String id) throws DiskException;

    /**
     * Returns a stage that completes when every attachment that can be opened now is open. That is at once, unless a
     * restart attaches again or a driver has just been added. Disks that take longer than ten seconds to open are not
     * waited for.
     */
    CompletionStage<Void> settled();

    /** The drivers present, by type. */
    List<ServiceStatus> drivers();

    /** The node kinds present. */
    List<ServiceStatus> nodes();

    /** The filters present, by type. */
    List<ServiceStatus> filters();

    /** The engines present, the default first. */
    List<ServiceStatus> engines();

    /**
     * A driver, node, filter or engine.
     *
     * @param name its type, kind or name
     * @param summary one line
     * @param bundle the bundle's symbolic name and version
     */
    record ServiceStatus(String name, String summary, String bundle) {}
}
