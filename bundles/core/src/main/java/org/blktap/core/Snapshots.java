package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.blktap.api.control.Attachments.Overlay;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * Takes snapshots: overlays of several attachments at one point in time, all or none. Thread-safe; methods wait as
 * commands do.
 */
final class Snapshots {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final long OTHER_SECONDS = 30;
    /** For a step that opens or makes files, with what a slow storage takes. */
    private static final Duration STEP = Duration.ofSeconds(30);

    private final AttachmentTable table;
    private final Services services;
    private final Records records;
    private final Path directory;
    /** Two that have an attachment in common would wait for each other. */
    private final ReentrantLock one = new ReentrantLock();

    Snapshots(AttachmentTable table, Services services, Records records, Path directory) {
        this.table = table;
        this.services = services;
        this.records = records;
        this.directory = directory;
    }

    /** Returns how long requests waited, for each. */
    List<Duration> take(List<Overlay> overlays) throws DiskException {
        check(overlays);
        try {
            if (!one.tryLock(OTHER_SECONDS, TimeUnit.SECONDS)) {
                throw new DiskException(Reason.BUSY, "another snapshot is being taken");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.BUSY, "interrupted while another snapshot was being taken", e);
        }
        try {
            return locked(overlays);
        } finally {
            one.unlock();
        }
    }

    private static void check(List<Overlay> overlays) throws DiskException {
        Set<String> ids = new HashSet<>();
        Set<String> paths = new HashSet<>();
        for (Overlay each : overlays) {
            if (!ids.add(each.id()) || !paths.add(each.image().path())) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        each.id() + ": " + each.image() + ": an attachment or a file is there twice");
            }
        }
        if (overlays.isEmpty()) {
            throw new DiskException(Reason.BAD_OPTION, "a snapshot of no attachment");
        }
    }

    private List<Duration> locked(List<Overlay> overlays) throws DiskException {
        SnapshotJournal journal = SnapshotJournal.create(records, directory);
        List<OverlayChange> changes = new ArrayList<>();
        try (Lockstep<OverlayChange> together = new Lockstep<>()) {
            for (Overlay each : overlays) {
                Attachment attachment = table.find(each.id());
                OverlayChange change = attachment.overlay(each, journal.mark());
                together.add(each.id(), change, attachment.operations(), "a snapshot is being taken");
                changes.add(change);
            }
            try {
                together.all(OverlayChange::prepare, STEP);
                journal.prepare(changes.stream().map(each -> each.file().path()).toList());
                together.all(OverlayChange::name, STEP);
                journal.prepareCommit(
                        changes.stream().map(OverlayChange::change).toList());
                together.all(OverlayChange::flush, STEP.plus(services.limits().drain()));
                together.all(OverlayChange::quiesce, STEP.plus(services.limits().drain()));
                together.all(OverlayChange::exchange, STEP);
                journal.commit();
            } catch (DiskException | RuntimeException | Error e) {
                undo(together, journal, e);
                throw e;
            }
            finish(together, journal);
        }
        return changes.stream().map(OverlayChange::pause).toList();
    }

    /** Everything is durable: what fails now, a restart does. */
    private void finish(Lockstep<OverlayChange> together, SnapshotJournal journal) {
        try {
            together.all(OverlayChange::resume, STEP);
        } catch (DiskException e) {
            LOG.log(Level.ERROR, "a snapshot was taken, and then: " + e.getMessage(), e);
        }
        try {
            together.await(together.begin(OverlayChange::record, OverlayChange::record), STEP);
            journal.remove();
        } catch (DiskException e) {
            LOG.log(Level.ERROR, "a restart will record the snapshot: " + e.getMessage(), e);
        }
    }

    /** One that still does its step undoes it afterwards; the journal stays until then. */
    private static void undo(Lockstep<OverlayChange> together, SnapshotJournal journal, Throwable why) {
        LOG.log(Level.WARNING, "no snapshot: " + why.getMessage());
        List<CompletableFuture<Void>> undone = together.begin(OverlayChange::undo, OverlayChange::removeFile);
        CompletableFuture<Void> all = CompletableFuture.allOf(undone.toArray(CompletableFuture[]::new))
                .whenComplete((nothing, failure) -> {
                    if (failure == null) {
                        journal.remove();
                    } else {
                        LOG.log(Level.ERROR, "after a snapshot that failed: " + failure.getMessage(), failure);
                    }
                });
        try {
            all.get(STEP.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            why.addSuppressed(e);
        }
    }
}
