package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Lock;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.core.gate.Gate;

/** Ends an attachment by its last operation: saves, drains, closes nodes and disk, ends the loop. */
final class AttachmentEnd {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final Records.Entry record;
    private final Services services;
    private final LoopCalls calls;
    private final Operations operations;
    private final CommandWait commands;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final AttachmentDisk disk;
    private final CompletableFuture<Void> done = new CompletableFuture<>();
    private volatile DiskException unforgotten;

    AttachmentEnd(Attachment attachment, AttachmentParts parts) {
        this.attachment = attachment;
        record = parts.record();
        services = parts.services();
        calls = parts.calls();
        operations = parts.operations();
        commands = parts.commands();
        gate = parts.gate();
        nodes = parts.nodes();
        disk = parts.disk();
    }

    /** Ends when nothing is left; exceptionally if the last flush failed. Any thread. */
    CompletableFuture<Void> done() {
        return done;
    }

    /** Ends it after its VMs have released their devices; continues if one does not, or if its disk cannot be saved. */
    void detach() throws DiskException {
        try {
            commands.forResult(operations.submit("being detached", () -> {
                disk.filters().checkDetach();
                attachment.faults().checkDetach();
                nodes.unplug();
                end(true, false);
                return null;
            }));
        } catch (DiskException e) {
            // else the VM's release of the device, or another command, has led to a forced detach meanwhile, which the
            // table waits for
            if (!operations.closed()) {
                throw e;
            }
        }
    }

    /**
     * Ends it regardless of its VMs, driver and nodes: operations under way are interrupted, and only background work
     * is waited for without a limit.
     *
     * @return {@link #done}
     */
    CompletableFuture<Void> detachByForce() throws DiskException {
        if (disk.savesAtDetach() && calls.blockedNanos() == 0) {
            // refused if it cannot be saved
            commands.forResult(operations.submit("being detached", () -> {
                calls.run(this::failRequests);
                end(true, false);
                return null;
            }));
            return done;
        }
        // at once: no restart attaches it again, however long the end takes
        try {
            record.remove();
        } catch (DiskException e) {
            LOG.log(Level.ERROR, attachment.id() + ": a restart would attach it again: " + e.getMessage());
            unforgotten = e;
        }
        operations.submitLast("being detached by force", this::byForce);
        return done;
    }

    /** Why its record could not be removed by a forced detach; null if it was. */
    DiskException unforgotten() {
        return unforgotten;
    }

    /** Ends it, and keeps it on record: the daemon stops. */
    CompletableFuture<Void> shutDown() {
        operations.submitLast("being shut down", () -> end(false, true));
        return done;
    }

    private void byForce() throws DiskException {
        if (done.isDone()) {
            // by another detach, after whose end this one was added
            return;
        }
        calls.start(() -> {
            failRequests();
            return null;
        });
        end(true, true);
    }

    /** Answers what is held with errors, and from now on what fails. Loop only. */
    private void failRequests() {
        gate.failed().fail();
        gate.held().fail();
    }

    /**
     * Saves what the detach would lose, and takes everything down.
     *
     * @param forget whether the record goes
     * @param forced whether it ends in any case: what cannot be saved or drained is left behind
     */
    private void end(boolean forget, boolean forced) throws DiskException {
        Lock saving =
                disk.savesAtDetach() ? services.saving(attachment.request().spec()) : null;
        if (saving != null) {
            // one after the other: the last of those that share a disk is the one that saves
            saving.lock();
        }
        try {
            try {
                if (saving != null) {
                    save(forced);
                } else if (!forced) {
                    attachment.quiesce(
                            new StateReason(Kind.DETACHING, "being detached"),
                            services.limits().drain());
                    attachment.faults().checkDetach();
                }
                if (forget) {
                    record.remove();
                }
            } catch (DiskException | RuntimeException e) {
                if (!forced) {
                    if (attachment.life() instanceof Life.Parking) {
                        attachment.letThrough();
                    }
                    throw e;
                }
                LOG.log(Level.ERROR, attachment.id() + ": " + e.getMessage());
            }
            operations.becomeLast();
            takeDown(forget, forced);
        } finally {
            if (saving != null) {
                saving.unlock();
            }
        }
    }

    private void save(boolean forced) throws DiskException {
        if (!disk.isOpen()) {
            attachment.opening().open();
        }
        attachment.quiesce(
                new StateReason(Kind.SAVING, "being saved"),
                forced ? services.limits().forced() : services.limits().drain());
        disk.image().disk().beforeDetach();
    }

    private void takeDown(boolean forget, boolean forced) throws DiskException {
        attachment.to(new Life.Detaching("requests in flight are ending"));
        DiskException failed = null;
        try {
            drain(forget, forced);
            if (calls.ask(() -> gate.held().anyAtDisk())) {
                // before the nodes: a disk that threw may still use their memory
                attachment.to(new Life.Detaching("the disk that threw is being closed"));
                failed = attachment.closeDisk();
            }
            attachment.to(new Life.Detaching("its nodes are being closed"));
            calls.run(() -> {
                if (forget) {
                    failRequests();
                } else {
                    gate.held().forget();
                }
            });
            if (forget) {
                nodes.remove();
            } else {
                nodes.close();
            }
            attachment.to(new Life.Detaching("its disk is being flushed and closed"));
            DiskException flush = attachment.closeDisk();
            failed = flush == null ? failed : flush;
        } catch (DiskException | RuntimeException | Error e) {
            LOG.log(Level.ERROR, attachment.id() + ": cannot be taken down in order", e);
            failed = new DiskException(Reason.IO, attachment.id() + ": " + e, e);
        }
        if (!forget && calls.ask(gate::owes)) {
            attachment.recordDebt();
        }
        attachment.to(new Life.Detaching("its loop is ending"));
        calls.loop().close();
        disk.release();
        attachment.to(new Life.Detached());
        if (forget) {
            attachment.events().detached();
        }
        LOG.log(Level.INFO, attachment.id() + (forget ? ": detached" : ": closed, and kept on record"));
        if (failed == null) {
            done.complete(null);
        } else {
            done.completeExceptionally(failed);
            throw failed;
        }
    }

    private void drain(boolean cutOff, boolean limited) throws DiskException {
        CompletableFuture<Void> drained = calls.ask(gate::close);
        if (limited) {
            try {
                calls.await(drained, "requests in flight", services.limits().forced());
                return;
            } catch (TimeoutException e) {
                String left = gate.inFlight() + " requests in flight do not end";
                LOG.log(Level.WARNING, attachment.id() + ": " + left + (cutOff ? ", and its VMs are cut off" : ""));
                attachment.to(new Life.Detaching(left));
                if (cutOff) {
                    nodes.disconnect();
                }
            }
        }
        calls.await(drained, "requests in flight");
    }
}
