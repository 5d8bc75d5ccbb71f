package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.TimeUnit;

/**
 * Takes devices of {@code backend/vbd} from Linux's own backend, xen-blkback, which claims all of them.
 *
 * <p>The kernel creates a device for each directory there whose state it finds to be 1, Initialising. The driver binds
 * it at once if it is loaded; if it is loaded later, it binds all devices without a driver, in whatever state they are.
 * udev loads the driver with the first device. An unbound device stays unbound until the driver is loaded anew.
 * Therefore the driver is loaded before a device of ours is announced, and the device is unbound before it is served. A
 * device whose state was never 1 is unknown to the kernel.
 */
final class Blkback {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** The kind of backend that it serves, and its name as a driver. */
    static final String TYPE = "vbd";
    /** libxl waits 10 seconds for a device to be announced. */
    private static final long LOAD_SECONDS = 6;

    private final Path devices;
    private final Path driver;
    private final Kernel kernel;

    /** What is asked of the kernel. */
    interface Kernel {
        /** Loads the module, if there is one; may wait. */
        void load();

        /** Writes the name of a device into a driver's file {@code unbind}. */
        void unbind(Path file, String device) throws IOException;
    }

    /** @param bus the sysfs directory of the bus of backends */
    Blkback(Path bus, Kernel kernel) {
        devices = bus.resolve("devices");
        driver = bus.resolve("drivers").resolve(TYPE);
        this.kernel = kernel;
    }

    static Blkback ofSystem() {
        return new Blkback(Path.of("/sys/bus/xen-backend"), new Linux());
    }

    /** The kernel that this runs on. */
    static final class Linux implements Kernel {
        @Override
        public void load() {
            modprobe();
        }

        @Override
        public void unbind(Path file, String device) throws IOException {
            Files.write(file, device.getBytes(StandardCharsets.US_ASCII), StandardOpenOption.WRITE);
        }
    }

    /** As udev does it, which leaves out what the administrator has blacklisted. */
    private static void modprobe() {
        try {
            Process process = new ProcessBuilder("modprobe", "-q", "-b", "xen-backend:" + TYPE)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (!process.waitFor(LOAD_SECONDS, TimeUnit.SECONDS)) {
                LOG.log(Level.WARNING, "modprobe has not loaded xen-blkback within " + LOAD_SECONDS + " s");
            }
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "xen-blkback is not loaded", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    boolean isLoaded() {
        return Files.exists(driver);
    }

    /**
     * Loads it, if this machine has it and may: so that no later loading takes devices that are served. Waits; not for
     * the XenBus thread.
     */
    void load() {
        if (!isLoaded()) {
            kernel.load();
        }
    }

    /** Whether the driver has this device. */
    boolean has(DevicePaths paths) {
        if (!paths.type().equals(TYPE)) {
            return false;
        }
        try {
            return Files.readSymbolicLink(device(paths).resolve("driver")).endsWith(TYPE);
        } catch (IOException e) {
            return false;
        }
    }

    private Path device(DevicePaths paths) {
        return devices.resolve(paths.busId());
    }

    /**
     * Makes the driver release a device. It leaves the device's state as it is (Linux 5.6 and newer), or sets it to 6,
     * Closed.
     *
     * @return whether the driver had it
     * @throws IOException if it does not release the device; the message says what to do
     */
    boolean release(DevicePaths paths) throws IOException {
        if (!has(paths)) {
            return false;
        }
        Path unbind = driver.resolve("unbind");
        String why = "the driver keeps it";
        try {
            kernel.unbind(unbind, paths.busId());
        } catch (IOException e) {
            why = e.toString();
        }
        if (has(paths)) {
            throw new IOException("the kernel's xen-blkback has the device " + paths.busId()
                    + " and does not release it (" + unbind + ": " + why
                    + "): run the daemon as root with a writable /sys, or unload xen-blkback");
        }
        return true;
    }
}
