package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.event.Event;

/**
 * All attachments by id. None waits for another: what concerns several is asked of all of them at once, and waited for
 * within a limit. Thread-safe; not for a loop.
 */
final class AttachmentTable {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    /** How long a list waits for nodes to report. */
    private static final Duration ANSWER = Duration.ofMillis(1200);
    /** Attachments that take longer to open do not delay the daemon's {@code ready}. */
    private static final Duration SETTLED = Duration.ofSeconds(10);

    private final Services services;
    private final Records records;
    private final Map<String, Attachment> attachments = new ConcurrentSkipListMap<>();
    /** Openings that are queued or running, except slow ones, and calls that look for more openings. */
    private int opening;
    /** Completes when the count is 0. */
    private CompletableFuture<Void> settled = CompletableFuture.completedFuture(null);

    private final DaemonMetrics metrics;
    private final AtomicInteger threadNumbers = new AtomicInteger();
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "blktap-control-" + threadNumbers.incrementAndGet());
        thread.setDaemon(true);
        return thread;
    });

    AttachmentTable(Services services, Records records) {
        this.services = services;
        this.records = records;
        metrics = new DaemonMetrics(attachments::values, threads);
    }

    /** Their figures. */
    DaemonMetrics metrics() {
        return metrics;
    }

    /** Opens again, all at once, what an earlier life of the daemon had. */
    void restore() {
        for (Records.Kept kept : records.readAll()) {
            String id = kept.request().id();
            try {
                AttachmentIds.check(id);
                add(id, new Attachment(id, kept, true, records.entry(kept), services, threads));
            } catch (DiskException e) {
                LOG.log(Level.ERROR, id + ": cannot be attached again: " + e.getMessage());
            }
        }
        retry();
    }

    /** The one that has the id already, or null. */
    private Attachment add(String id, Attachment attachment) {
        Attachment present = attachments.putIfAbsent(id, attachment);
        if (present == null) {
            attachment.end().done().whenComplete((nothing, failure) -> attachments.remove(id, attachment));
        }
        return present;
    }

    // ---- services that come and go

    /** Opens what waits for something that may be there now. Does not wait. */
    void retry() {
        begun();
        for (Attachment attachment : attachments.values()) {
            if (attachment.opening().waits()) {
                begun();
                CompletableFuture<Boolean> opened = attachment.opening().retry().copy();
                opened.completeOnTimeout(false, SETTLED.toSeconds(), TimeUnit.SECONDS)
                        .whenComplete((running, failure) -> {
                            if (Boolean.TRUE.equals(running)) {
                                // another may wait for what this one brings, as the memory of a RAM disk
                                retry();
                            }
                            ended();
                        });
            }
        }
        ended();
    }

    private synchronized void begun() {
        if (opening++ == 0) {
            settled = new CompletableFuture<>();
        }
    }

    private void ended() {
        CompletableFuture<Void> done = null;
        synchronized (this) {
            if (--opening == 0) {
                done = settled;
            }
        }
        if (done != null) {
            done.complete(null);
        }
    }

    /** Returns a stage that completes when every attachment that can be opened now is open. */
    synchronized CompletionStage<Void> settled() {
        return settled.minimalCompletionStage();
    }

    void driverCame(String type) {
        attachments
                .values()
                .forEach(attachment -> attachment.opening().driverCame(type).thenAccept(this::retryIf));
    }

    void filterCame(String type) {
        attachments
                .values()
                .forEach(attachment -> attachment.opening().filterCame(type).thenAccept(this::retryIf));
    }

    /** Makes all attachments release a service that is leaving, and waits for them within the limit of an unbind. */
    void leave(String what, Function<Attachment, CompletableFuture<Boolean>> leaving) {
        Map<Attachment, CompletableFuture<Boolean>> all = new LinkedHashMap<>();
        attachments.values().forEach(attachment -> {
            CompletableFuture<Boolean> left = leaving.apply(attachment);
            all.put(attachment, left);
            // perhaps long after the unbind, and after another service of the name has come
            left.thenAccept(this::retryIf);
        });
        long end = System.nanoTime() + services.limits().unbind().toNanos();
        all.forEach((attachment, left) -> {
            try {
                if (left.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS)) {
                    LOG.log(
                            Level.INFO,
                            attachment.id() + ": parked: "
                                    + attachment.view().status(null).reason());
                }
            } catch (TimeoutException e) {
                LOG.log(
                        Level.ERROR,
                        attachment.id() + ": does not release " + what + "; it is removed anyway: "
                                + attachment.view().status(null).reason());
            } catch (ExecutionException e) {
                if (!attachment.end().done().isDone()) {
                    LOG.log(Level.ERROR, attachment.id() + ": cannot be parked: " + e.getCause());
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    private void retryIf(boolean worthIt) {
        if (worthIt) {
            retry();
        }
    }

    // ---- commands

    AttachmentStatus attach(AttachRequest request) throws DiskException {
        String id = request.id() == null
                ? AttachmentIds.free(request.spec(), attachments::containsKey)
                : AttachmentIds.check(request.id());
        AttachRequest asked = services.nodeKinds().onlyRead(request.nodes()) ? request.withoutWrites() : request;
        Attachment attachment = new Attachment(
                id, new Records.Kept(asked, null, false, false, null), false, records.entry(id), services, threads);
        Attachment present = add(id, attachment);
        if (present != null) {
            attachment.end().shutDown();
            AttachmentStatus there = present.view().status(null);
            throw there.state() == State.DETACHING
                    ? new DiskException(
                            Reason.BUSY,
                            "attachment '" + id + "' is still being detached: " + there.reason()
                                    + "; choose another --id")
                    : new DiskException(
                            Reason.EXISTS,
                            "attachment '" + id + "' exists already; detach it first or choose another --id");
        }
        try {
            attachment.opening().attach();
        } catch (DiskException | RuntimeException e) {
            try {
                awaitEnd(attachment, attachment.end().detachByForce());
            } catch (DiskException other) {
                e.addSuppressed(other);
            }
            throw e;
        }
        LOG.log(Level.INFO, id + ": attached " + asked.spec() + (asked.readOnly() ? " read-only" : ""));
        retry();
        return status(id);
    }

    void detach(String id, boolean force) throws DiskException {
        Attachment attachment = find(id);
        if (!force) {
            attachment.end().detach();
        }
        if (!awaitEnd(
                attachment,
                force ? attachment.end().detachByForce() : attachment.end().done())) {
            LOG.log(
                    Level.WARNING,
                    id + ": cut off; its id is taken until it has ended: "
                            + attachment.view().status(null).reason());
        }
        if (attachment.end().unforgotten() != null) {
            throw attachment.end().unforgotten();
        }
    }

    /** Whether it has ended within twice the limit of its drain; if not, it ends in the background. */
    private boolean awaitEnd(Attachment attachment, CompletableFuture<Void> end) throws DiskException {
        try {
            end.get(services.limits().forced().multipliedBy(2).toNanos(), TimeUnit.NANOSECONDS);
            // what is to follow an end may not have run yet when a wait for it returns, and the caller may use the id
            // again
            attachments.remove(attachment.id(), attachment);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException e) {
            attachments.remove(attachment.id(), attachment);
            if (e.getCause() instanceof DiskException known) {
                throw known;
            }
            throw new DiskException(Reason.IO, attachment.id() + ": " + e.getCause(), e);
        }
    }

    /** All, by id. */
    List<AttachmentStatus> list() {
        return show(List.copyOf(attachments.values()));
    }

    AttachmentStatus status(String id) throws DiskException {
        return show(List.of(find(id))).get(0);
    }

    private static List<AttachmentStatus> show(List<Attachment> shown) {
        List<CompletableFuture<List<AttachmentStatus.Node>>> asked =
                shown.stream().map(attachment -> attachment.view().nodeStatus()).toList();
        long end = System.nanoTime() + ANSWER.toNanos();
        List<AttachmentStatus> all = new ArrayList<>();
        for (int i = 0; i < shown.size(); i++) {
            List<AttachmentStatus.Node> nodes = null;
            try {
                nodes = asked.get(i).get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException | ExecutionException e) {
                LOG.log(Level.DEBUG, shown.get(i).id() + ": its nodes do not report", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            all.add(shown.get(i).view().status(nodes));
        }
        return all;
    }

    Attachment find(String id) throws DiskException {
        Attachment attachment = attachments.get(id);
        if (attachment == null) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    "no attachment '" + id + "'; present: "
                            + (attachments.isEmpty() ? "none" : String.join(", ", attachments.keySet())));
        }
        return attachment;
    }

    // ---- the end

    /** Closes all at once, and keeps them on record. What does not close in time ends with the process. */
    void shutDown() {
        List<Attachment> all = List.copyOf(attachments.values());
        LOG.log(Level.INFO, "stopping: " + all.size() + " attachments are closed, and kept on record");
        services.announcements().publish(Event.STOPPING, "", "all disks are closed, and stay on record", Map.of());
        long start = System.nanoTime();
        List<CompletableFuture<Void>> ends =
                all.stream().map(attachment -> attachment.end().shutDown()).toList();
        for (int i = 0; i < all.size(); i++) {
            Attachment attachment = all.get(i);
            Duration limit = attachment.savesAtDetach()
                    ? services.limits().stopSaving()
                    : services.limits().stop();
            try {
                ends.get(i).get(Math.max(0, start + limit.toNanos() - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                LOG.log(
                        Level.ERROR,
                        attachment.id() + ": is not closed, and ends with the process: "
                                + attachment.view().status(null).reason());
            } catch (ExecutionException e) {
                LOG.log(Level.ERROR, attachment.id() + ": " + e.getCause().getMessage());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        threads.shutdown();
        LOG.log(Level.INFO, "stopped");
    }
}
