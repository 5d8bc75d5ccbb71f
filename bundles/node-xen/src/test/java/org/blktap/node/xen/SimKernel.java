package org.blktap.node.xen;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

/**
 * Linux's bus of backends and its driver of {@code backend/vbd}, as far as they are seen in sysfs and XenStore
 * (drivers/xen/xenbus/xenbus_probe.c, drivers/block/xen-blkback/xenbus.c): a device whose state is 1 is known, a driver
 * that is loaded takes all that nobody has, and one that is unbound stays so.
 */
final class SimKernel implements Blkback.Kernel, AutoCloseable {
    private final Path bus = Files.createTempDirectory("xen-backend");
    private final Path devices = Files.createDirectory(bus.resolve("devices"));
    private final Path drivers = Files.createDirectory(bus.resolve("drivers"));
    private XenStore store;
    /** Whether it can be loaded. */
    volatile boolean module;
    /** Whether unbinding is refused, as without permission. */
    volatile boolean refuses;
    /** The rings that it offers. */
    volatile int queues = 2;

    final List<String> unbound = new CopyOnWriteArrayList<>();

    SimKernel() throws IOException {}

    Blkback blkback() {
        return new Blkback(bus, this);
    }

    boolean isLoaded() {
        return Files.exists(drivers.resolve("vbd"));
    }

    boolean has(DevicePaths paths) {
        return blkback().has(paths);
    }

    /** Knows devices from now on, when {@link #look} is called. */
    void boot(XenStore seen) {
        store = seen;
    }

    /** Handles the events of its watch on all backends. */
    synchronized void look() throws IOException {
        for (DevicePaths paths : DeviceNodes.all(store, "vbd")) {
            Path device = devices.resolve(paths.busId());
            if (!Files.exists(device) && XenbusState.of(store, paths.backend()) == XenbusState.INITIALISING) {
                Files.createDirectory(device);
                if (isLoaded()) {
                    probe(paths);
                }
            }
        }
    }

    @Override
    public synchronized void load() {
        if (!module || isLoaded()) {
            return;
        }
        try {
            Files.createDirectory(drivers.resolve("vbd"));
            for (DevicePaths paths : DeviceNodes.all(store, "vbd")) {
                if (Files.exists(devices.resolve(paths.busId()))) {
                    probe(paths);
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    synchronized void unload() throws IOException {
        Files.delete(drivers.resolve("vbd"));
    }

    /** It has the device, announces it, and fails to connect to rings that another one has. */
    private void probe(DevicePaths paths) throws IOException {
        Files.createSymbolicLink(
                devices.resolve(paths.busId()).resolve("driver"), Path.of("../../../bus/xen-backend/drivers/vbd"));
        BackendNodes.offer(store, paths.backend(), queues);
        XenbusState.INIT_WAIT.write(store, paths.backend());
        if (XenbusState.of(store, paths.frontend()) == XenbusState.CONNECTED) {
            XenbusState.CLOSING.write(store, paths.backend());
        }
    }

    @Override
    public synchronized void unbind(Path file, String device) throws IOException {
        if (refuses) {
            throw new IOException("Permission denied");
        }
        Files.delete(devices.resolve(device).resolve("driver"));
        unbound.add(device);
    }

    @Override
    public void close() {
        try (Stream<Path> all = Files.walk(bus)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
