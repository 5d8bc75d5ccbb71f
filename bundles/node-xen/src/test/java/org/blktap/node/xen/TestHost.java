package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.EpollLoops;

/** A machine with Xen, its XenStore, and guests. */
@XenSettings
final class TestHost implements AutoCloseable {
    final Path runDir;
    final EpollLoops loops = new EpollLoops();
    final SimHypervisor xen = new SimHypervisor();
    /** Of all daemons here. */
    GuestLimits limits = limits();
    /** The sysfs directory of the kernel's bus of backends. */
    final SimKernel kernel;

    final Blkback blkback;
    /** What stands between the daemons and XenStore. */
    UnaryOperator<XenStore> between = store -> store;
    /** Of the toolstack. */
    final SimXenStore store = new SimXenStore(Runnable::run);

    private final List<SimGuest> guests = new ArrayList<>();

    /** Those of a daemon that is not configured. */
    static GuestLimits limits() {
        return GuestLimits.of(TestHost.class.getAnnotation(XenSettings.class), 65_530);
    }

    TestHost(Path runDir) throws IOException {
        this.runDir = runDir;
        kernel = new SimKernel();
        blkback = kernel.blkback();
    }

    SimGuest newGuest(int domain) throws IOException {
        return newGuest(domain, 2048);
    }

    SimGuest newGuest(int domain, int pages) throws IOException {
        String directory = "/local/domain/" + domain;
        store.write(directory, "");
        store.permissions(directory, 0, domain);
        store.write(directory + "/name", "guest-" + domain);
        store.write(directory + "/vm", "/vm/00000000-0000-0000-0000-00000000000" + domain);
        store.write(directory + "/device", "");
        store.permissions(directory + "/device", domain, 0);
        SimGuest guest = new SimGuest(domain, pages);
        guests.add(guest);
        xen.add(guest);
        return guest;
    }

    /** A toolstack writes a device, as libxl does, and leaves it to the backend to be found. */
    void toolstackWrites(String type, int domain, int device, String params, String mode) throws IOException {
        toolstackWrites(type, domain, device, params, mode, null);
    }

    /**
     * The script stands there with all else, in one transaction, as libxl writes it: nobody ever sees the device
     * without it.
     */
    void toolstackWrites(String type, int domain, int device, String params, String mode, String script)
            throws IOException {
        String backend = "/local/domain/0/backend/" + type + "/" + domain + "/" + device;
        String frontend = "/local/domain/" + domain + "/device/vbd/" + device;
        store.transaction(tx -> {
            tx.write(frontend, "");
            tx.permissions(frontend, domain, 0);
            tx.write(frontend + "/backend", backend);
            tx.write(frontend + "/backend-id", "0");
            tx.write(frontend + "/virtual-device", Integer.toString(device));
            tx.write(frontend + "/state", "1");
            tx.write(backend, "");
            tx.permissions(backend, 0, domain);
            tx.write(backend + "/frontend", frontend);
            tx.write(backend + "/frontend-id", Integer.toString(domain));
            tx.write(backend + "/online", "1");
            tx.write(backend + "/params", params);
            tx.write(backend + "/mode", mode);
            if (script != null) {
                tx.write(backend + "/script", script);
            }
            tx.write(backend + "/state", "1");
        });
    }

    /** Nothing is mapped, bound, open, watched or left in the run directory. */
    void assertNothingLeft() throws Exception {
        Eventually.holds(
                "nothing is mapped, bound or open: " + xen.held(),
                () -> xen.held().isEmpty());
        Eventually.holds("no watches", () -> store.watches() == 0);
        try (Stream<Path> files = Files.list(runDir)) {
            assertEquals(List.of(), files.toList());
        }
    }

    @Override
    public void close() {
        loops.stop();
        kernel.close();
        guests.forEach(SimGuest::close);
    }
}
