package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.node.DeviceNode;
import org.blktap.core.gate.Gate;

/**
 * The disk of an attachment with its filters, below its gate and above its {@link EngineQueue}. Its methods are for
 * control threads, one at a time, as the attachment's; what the attachment shows of it is for any.
 */
final class AttachmentDisk {
    private static final DiskInfo NOT_KNOWN_YET = DiskInfo.ofSize(0);

    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final Duration CLOSING = Duration.ofSeconds(5);

    private final String id;
    private final IoLoop loop;
    private final LoopCalls calls;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final Services services;
    private final Consumer<String> lost;
    private final Set<Registry.Entry<DiskDriver>> usedDrivers = ConcurrentHashMap.newKeySet();
    /** The image that is open; null once it is closed. */
    private volatile OpenImage image;
    /** Objects that outlive a driver, such as the memory of a RAM disk. */
    private List<AutoCloseable> kept = new ArrayList<>();

    private final EngineQueue queue;
    private boolean open;
    private volatile boolean savesAtDetach;
    /** The filters of the open disk; none while it is closed. */
    private volatile FilterStack filters = FilterStack.on(null, null);

    private volatile DiskInfo info = NOT_KNOWN_YET;

    /** @param lost receives, on the loop, the reason why the image is lost */
    AttachmentDisk(
            String id,
            IoLoop loop,
            LoopCalls calls,
            Gate gate,
            AttachmentNodes nodes,
            Services services,
            Consumer<String> lost) {
        this.lost = lost;
        this.id = id;
        this.loop = loop;
        this.calls = calls;
        this.gate = gate;
        this.nodes = nodes;
        this.services = services;
        queue = new EngineQueue(id, loop, calls, services.installed());
    }

    boolean isOpen() {
        return open;
    }

    /** Whether an image of its chain, or a disk that a filter has opened, is of this driver. */
    boolean uses(Registry.Entry<DiskDriver> driver) {
        return open && usedDrivers.contains(driver);
    }

    /** Whether the images that were last opened, or could not be, are of this type. Any thread. */
    boolean tried(String type) {
        return usedDrivers.stream().anyMatch(driver -> driver.name().equals(type));
    }

    /** Whether one of its filters was opened by this service. */
    boolean filteredBy(Registry.Entry<DiskFilter> service) {
        return open && filters.uses(service);
    }

    /** The filters of the open disk. Any thread. */
    FilterStack filters() {
        return filters;
    }

    /** Sets the same filters with other options. */
    void filters(FilterStack stack) {
        filters = stack;
    }

    /** Has the gate submit to other filters on the same disk. The gate is closed, and nothing is in flight. */
    void change(FilterStack stack) throws DiskException {
        calls.run(() -> {
            stack.connect();
            gate.install(stack.top());
        });
        filters = stack;
        info = stack.top().info();
    }

    boolean isCarriedBy(Registry.Entry<IoEngine> other) {
        return queue.isOf(other);
    }

    /** Whether the image saves at the detach what would be lost. */
    boolean savesAtDetach() {
        return savesAtDetach;
    }

    /** Whether it has been open since the daemon started: before, there is nothing that a VM could be shown. */
    boolean hasBeenOpen() {
        return info != NOT_KNOWN_YET;
    }

    /** Information of the open disk, or of the one that was last open. */
    DiskInfo info() {
        return info;
    }

    String engineName() {
        return queue.engineName();
    }

    /**
     * Opens the queue and the disk if they are not open. The gate stays closed: the nodes are opened first.
     *
     * @param fits refuses a disk that the VM cannot go on with
     * @return the request, with filters that the disk needs besides
     */
    AttachRequest open(AttachRequest request, Fits fits) throws DiskException {
        queue.open(request);
        if (!open) {
            boolean empty = request.spec().type().equals(EmptyDrive.TYPE);
            openDisk(request, fits, !empty);
            return empty
                    ? request
                    : request.withFilters(filters.filters().stream()
                            .map(each -> each.spec().text())
                            .toList());
        }
        return request;
    }

    /** Whether a disk may take the place of the one before. */
    interface Fits {
        void check(DiskInfo found) throws DiskException;
    }

    /** Refuses an image that lacks a driver or an engine, before anything is closed for it. */
    void checkOpens(AttachRequest request) throws DiskException {
        OpenContext.driver(services.installed().drivers(), request.spec().type());
        queue.engineFor(request);
    }

    /** The files of the open chain as far as their specs name them. */
    List<Path> imagePaths() {
        return image == null ? List.of() : image.paths();
    }

    /** The image that is open; null while none is. Any thread. */
    OpenImage image() {
        return image;
    }

    /** @param implies whether the disk may get filters that nobody has asked for */
    private void openDisk(AttachRequest request, Fits fits, boolean implies) throws DiskException {
        // an empty drive has nothing that a filter could be opened on
        List<FilterSpec> specs =
                request.spec().type().equals(EmptyDrive.TYPE) ? List.of() : FilterStack.parse(request.filters());
        List<Registry.Entry<DiskFilter>> found =
                FilterStack.find(specs, services.installed().filters());
        usedDrivers.clear();
        List<AutoCloseable> keptNow = new ArrayList<>();
        WatchedFile.Watch watch = new WatchedFile.Watch();
        OpenEnvironment environment = environment(keptNow, new CopyOnWriteArrayList<>());
        OpenImage fresh = null;
        FilterStack stack = null;
        boolean done = false;
        try {
            fresh = OpenImage.open(request, environment, watch, calls);
            if (implies && !request.readOnly()) {
                FilterStack.addImplied(
                        fresh.disk(), specs, found, services.installed().filters());
            }
            stack = FilterStack.open(
                    fresh.disk(), new FilterMeans(calls, services.memory(), watch, environment), specs, found);
            fits.check(stack.top().info());
            done = true;
        } finally {
            if (!done) {
                if (stack != null) {
                    stack.close(calls);
                }
                if (fresh != null) {
                    fresh.close(calls);
                }
                close(keptNow);
            }
        }
        install(fresh, stack, keptNow);
    }

    private OpenEnvironment environment(List<AutoCloseable> keptNow, List<OpenContext> own) {
        return new OpenEnvironment(
                loop,
                queue.opened(),
                services.memory(),
                services.installed().drivers(),
                services.configuration().paths(),
                usedDrivers,
                keptNow,
                own,
                lost);
    }

    private void install(OpenImage fresh, FilterStack stack, List<AutoCloseable> keptNow) throws DiskException {
        boolean resized = info.sizeBytes() != stack.top().info().sizeBytes();
        keep(fresh, stack, keptNow);
        calls.run(() -> {
            gate.install(stack.top());
            if (resized) {
                nodes.each(DeviceNode::resized);
            }
        });
    }

    private void keep(OpenImage fresh, FilterStack stack, List<AutoCloseable> keptNow) {
        // what the opening before has kept is held by this one now
        close(kept);
        kept = keptNow;
        image = fresh;
        info = stack.top().info();
        filters = stack;
        open = true;
        savesAtDetach = fresh.disk().savesAtDetach();
    }

    /** What is done between the closing of one image and the opening of the next. */
    interface Between {
        /** @param environment to work on images with the queue of the disk */
        void run(OpenEnvironment environment) throws DiskException;
    }

    /**
     * Closes the image and opens another in its place. Filters stay open, except one, since what they have below reads
     * the same; if the other image needs another engine, they are opened anew with it. The gate is closed, nothing is
     * in flight, and the disk is flushed.
     *
     * @param without the type of the filter that is closed; null for none
     * @param fits does not block
     * @param last is done when all is open
     * @throws DiskException and nothing but a part of it is open: the caller closes that, by {@link #close}
     */
    void exchange(AttachRequest request, String without, Between between, Fits fits, LoopCalls.Action last)
            throws DiskException {
        if (!queue.isOf(queue.engineFor(request))) {
            close();
            queue.open(request);
            between.run(environment(new ArrayList<>(), new CopyOnWriteArrayList<>()));
            openDisk(
                    request,
                    found -> {
                        fits.check(found);
                        last.run();
                    },
                    false);
            return;
        }
        OpenImage old = image;
        FilterMeans before = filters.means();
        OpenFilter leaving = null;
        if (without != null) {
            int place = filters.place(without, id);
            leaving = filters.filters().get(place);
            filters = filters.without(place);
        }
        image = null;
        closeBehindGate(leaving, old);
        List<AutoCloseable> keptNow = new ArrayList<>();
        OpenEnvironment environment = environment(keptNow, before.environment().own());
        try (CloseOnFailure opened = new CloseOnFailure(() -> close(keptNow))) {
            between.run(environment);
            OpenImage fresh = OpenImage.open(request, environment, before.watch(), calls);
            image = fresh;
            FilterStack stack =
                    filters.moved(fresh.disk(), new FilterMeans(calls, services.memory(), before.watch(), environment));
            calls.run(() -> {
                stack.connect();
                fits.check(stack.top().info());
                gate.install(stack.top());
            });
            last.run();
            opened.keep();
            keep(fresh, stack, keptNow);
        }
    }

    /** Each call of the loop costs the waiting VM time, so that this is one. */
    private void closeBehindGate(OpenFilter leaving, OpenImage old) throws DiskException {
        calls.run(() -> {
            gate.remove();
            if (leaving != null) {
                leaving.closeNow(id);
            }
            old.closeNow(id);
        });
    }

    /**
     * Flushes the disk, if it is open. Requests may be served meanwhile.
     *
     * @return what the flush failed with, or null
     */
    DiskException flush() throws DiskException {
        if (!open || info.readOnly()) {
            return null;
        }
        int error = calls.await(calls.ask(gate::flush), "a flush");
        return error == 0
                ? null
                : new DiskException(
                        Reason.IO,
                        image.spec() + ": the last flush failed: " + Errno.text(error)
                                + "; writes since the flush before may be lost");
    }

    /**
     * Closes the disk and its queue, and waits for the helper threads of a disk that has left requests. The gate is
     * closed, and nothing is in flight.
     */
    void close() throws DiskException {
        boolean was = open;
        if (open) {
            calls.ask(gate::remove);
            open = false;
            FilterStack closing = filters;
            // nothing of a filter may outlive its service
            filters = FilterStack.on(null, null);
            closing.close(calls);
            OpenImage below = image;
            image = null;
            if (below != null) {
                below.close(calls);
            }
        }
        queue.close();
        if (was) {
            awaitClosing();
        }
        if (calls.ask(() -> gate.held().anyAtDisk())) {
            calls.await(calls.helpersIdle(), "helper threads of a disk that threw");
            calls.run(() -> gate.held().diskClosed());
        }
    }

    /**
     * Waits a while for what the closing of a disk has left to helper threads, such as the release of its lock, so that
     * others find it free when a command ends.
     */
    private void awaitClosing() {
        try {
            calls.await(calls.helpersIdle(), "the closing of the disk", CLOSING);
        } catch (TimeoutException | DiskException e) {
            LOG.log(Level.WARNING, id + ": the storage has not confirmed that the disk is closed");
        }
    }

    /** The attachment ends: what was kept for its next opening goes. */
    void release() {
        close(kept);
    }

    private void close(List<AutoCloseable> resources) {
        for (AutoCloseable resource : resources) {
            try {
                resource.close();
            } catch (Exception e) {
                LOG.log(Level.WARNING, id + ": " + e);
            }
        }
        resources.clear();
    }
}
