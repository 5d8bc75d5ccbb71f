package org.blktap.api.filter;

import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.StoredBitmaps;
import org.blktap.api.disk.VirtualDisk;

/**
 * The disk of a {@link DiskFilter}: passes everything to the disk below. A filter overrides what it does itself.
 * Methods run on the attachment's loop, except where noted.
 *
 * <p>A filter that lets a request pass hands the same object to the disk below, {@code below().submit(request)}, at
 * once or later, and then does not hear of it again. One that must know how a request ends, or that shows the disk
 * below another range or other memory, submits a {@link Substitute}. One that answers a request itself completes it.
 */
public abstract class PassThroughDisk implements VirtualDisk {
    private VirtualDisk below;

    protected PassThroughDisk(VirtualDisk below) {
        this.below = below;
    }

    /** The disk below: the next filter, or the image. */
    public final VirtualDisk below() {
        return below;
    }

    /**
     * Sets the disk below, when a filter was added or removed there. Called by the core, with nothing in flight. What
     * the disk below is has not changed, except for the operations that it supports.
     */
    public void setBelow(VirtualDisk disk) {
        below = disk;
    }

    /**
     * What the disk is. A filter that changes it makes a copy of {@code below().info()} with other size, operations or
     * details. Any thread; constant until a resize.
     */
    @Override
    public DiskInfo info() {
        return below.info();
    }

    @Override
    public void submit(Request request) {
        below.submit(request);
    }

    @Override
    public boolean savesAtDetach() {
        return below.savesAtDetach();
    }

    @Override
    public void beforeDetach() throws DiskException {
        below.beforeDetach();
    }

    /** {@inheritDoc} An override must call {@code super.checkDetach()}, which asks the disk below. */
    @Override
    public void checkDetach() throws DiskException {
        below.checkDetach();
    }

    /** {@inheritDoc} Those of the disk below, if it has the same size. */
    @Override
    public StoredBitmaps storedBitmaps() {
        return info().sizeBytes() == below.info().sizeBytes() ? below.storedBitmaps() : null;
    }

    /**
     * The filter is about to be taken out while the disk stays, or is about to continue with another image: no request
     * is in flight, none is taken, and {@link #close} follows. A filter with requests of its own waits for their end
     * here. Not called when the whole disk is closed; then a FLUSH comes before. On a control thread; may block
     * briefly.
     *
     * @throws DiskException the filter stays, and requests are taken again
     */
    public void beforeRemoval() throws DiskException {
        // most have no requests of their own
    }

    /**
     * Ends the work of the filter before the disk continues with another image, which this filter has made equal, and
     * the filter is taken out ({@code Attachments.switchImage}). Called as {@link #beforeRemoval}; if it throws, the
     * disk continues as before.
     */
    public void beforeSwitch() throws DiskException {
        beforeRemoval();
    }

    /** {@inheritDoc} An override must call {@code super.draining(begins)}, which informs the disk below. */
    @Override
    public void draining(boolean begins) {
        below.draining(begins);
    }

    /** {@inheritDoc} An override must include {@code super.busy()}, the answer of the disk below. */
    @Override
    public boolean busy() {
        return below.busy();
    }

    /**
     * The size that the disk below needs for this disk to have a size; for {@code resize}. The operator's change of the
     * disk below follows, and then the whole disk is opened again. Any thread.
     *
     * @param sizeBytes a multiple of 512
     */
    public long sizeBelow(long sizeBytes) {
        return sizeBytes;
    }

    /**
     * Changes options of the filter while requests are in flight.
     *
     * @param options all options that the filter has from now on; none that it did not ask for in
     *     {@link DiskFilter#open}
     * @return false if the filter cannot change these in place: then it has changed nothing, and the core opens the
     *     filter anew with them and closes this one
     * @throws DiskException BAD_OPTION, and nothing has changed
     */
    public boolean set(Options options) throws DiskException {
        return false;
    }

    /**
     * What {@code stats} and {@code info} show of the filter, in order: numbers and texts.
     *
     * @return a map that does not change afterwards
     */
    public Map<String, ?> stats() {
        return Map.of();
    }

    /**
     * Releases what the filter itself holds. The core closes the disk below, which stays open if only the filter is
     * removed. Nothing is in flight.
     */
    @Override
    public void close() {
        // passing on takes nothing
    }
}
