package org.blktap.core;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.settings.Directories;
import org.blktap.linux.NativeMemoryService;

/**
 * The core in a test's process, for tests of other bundles: with one engine, and the drivers and filters that the test
 * brings. Attachments that are on record open when these are there. Any thread but a loop.
 */
public final class TestDaemon implements AutoCloseable {
    private static final String NODE = "fake";

    private final CoreKit kit;
    private final Directories directories;
    private final Images images;

    /**
     * Starts it.
     *
     * @param home where its directories are
     * @param files opens the files of images
     */
    public TestDaemon(Path home, IoEngine files) throws IOException {
        directories = CoreKit.directories(home);
        kit = new CoreKit(home, files);
        images = new ImageWork(
                kit.loops,
                new NativeMemoryService(),
                kit.installed,
                new CoreConfiguration(CoreKit.class.getAnnotation(CoreSettings.class)));
    }

    /** The directories of a daemon that has this home, also before it is started. */
    public static Directories directories(Path home) {
        return CoreKit.directories(home);
    }

    public Directories directories() {
        return directories;
    }

    public Attachments attachments() {
        return kit.manager;
    }

    public Images images() {
        return images;
    }

    public void addDriver(String type, DiskDriver driver) {
        kit.installed.addDriver(driver, CoreKit.driver(type));
    }

    public void addFilter(String type, DiskFilter filter) {
        kit.installed.addFilter(filter, new FakeReference<>(Map.of("filter.type", type)));
    }

    /** Attaches an image to a node whose VM is the test. */
    public void attach(String id, TapSpec image) throws DiskException {
        kit.manager.attach(new AttachRequest(image, id, List.of(NODE), false, Map.of()));
    }

    /** Waits until an attachment that is on record serves. */
    public void awaitRunning(String id) throws Exception {
        kit.await(id, State.RUNNING);
    }

    /** Sets what is called on the loop when a VM may send requests, with the attachment's id. */
    public void whenResumed(Consumer<String> action) {
        kit.whenResumed = action;
    }

    /**
     * Sends a request as the VM of an attachment does.
     *
     * @param address of the data, in native memory that stays until the end
     * @return ends on the loop with the request's errno
     */
    public CompletableFuture<Integer> send(String id, Operation operation, long offset, int length, long address) {
        return kit.nodes.get(id).send(operation, offset, length, address);
    }

    /** Closes it as a stop does: what is attached is on record. */
    @Override
    public void close() {
        kit.close();
    }
}
