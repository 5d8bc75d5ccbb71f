package org.blktap.node.xen;

import java.io.IOException;

/**
 * The nodes of a device that an attachment serves: both sides are read, and those of the backend changed, unless they
 * have been removed, or another serves them by now: what is removed must not come back. XenBus thread only.
 */
final class ServedDevice {
    private final XenStore store;
    private final DevicePaths paths;
    private final String attachment;
    private final Blkback blkback;

    ServedDevice(XenStore store, DevicePaths paths, String attachment, Blkback blkback) {
        this.store = store;
        this.paths = paths;
        this.attachment = attachment;
        this.blkback = blkback;
    }

    /** Whether the toolstack has not removed it. */
    boolean exists() throws IOException {
        return store.read(paths.backend() + "/frontend") != null;
    }

    XenbusState own() throws IOException {
        return XenbusState.of(store, paths.backend());
    }

    /** The state of the frontend; UNKNOWN if that is another backend's. */
    XenbusState frontend() throws IOException {
        return isOthers() ? XenbusState.UNKNOWN : XenbusState.of(store, paths.frontend());
    }

    /**
     * Domain numbers come back: the domain of our device may have gone, and another one has its number, and such a
     * device of another backend.
     */
    private boolean isOthers() throws IOException {
        String backend = store.read(paths.frontend() + "/backend");
        return backend != null && !backend.equals(paths.backend());
    }

    /** Whether there is no frontend any more, and none will come. */
    boolean frontendIsGone() throws IOException {
        return store.read(paths.frontend()) == null || isOthers();
    }

    /** Whether the frontend may let the device go and take it again. */
    boolean online() throws IOException {
        return !"0".equals(store.read(paths.backend() + "/online"));
    }

    DeviceAccess access() throws IOException {
        return DeviceAccess.read(store, paths.backend());
    }

    boolean offers(int queues) throws IOException {
        return BackendNodes.offers(store, paths.backend(), queues);
    }

    /** What the frontend has written, with as many rings as it may have. */
    FrontendParameters parameters(int queues) throws IOException {
        return FrontendParameters.read(
                store, paths.frontend(), paths.domain(), BackendNodes.queuesAccepted(store, paths.backend(), queues));
    }

    /** Changes the backend's state to another. */
    void move(XenbusState own, XenbusState state) throws IOException {
        if (own != state) {
            change(tx -> state.write(tx, paths.backend()));
        }
    }

    /** Asks the frontend to let the device go for good, or takes that back. */
    void setOnline(boolean online, XenbusState state) throws IOException {
        change(tx -> {
            tx.write(paths.backend() + "/online", online ? "1" : "0");
            state.write(tx, paths.backend());
        });
    }

    void change(XenStore.Change change) throws IOException {
        store.transaction(tx -> {
            if (DeviceNodes.servedBy(tx, paths, attachment)) {
                change.apply(tx);
            }
        });
    }

    /**
     * Takes the device back where the kernel's backend has it: its module has been loaded anew since the device became
     * ours. What that has written is repaired: it offers its own features and announces the device, and closes it if
     * the frontend is connected, since it cannot bind the event channel.
     *
     * @param connected whether the frontend is
     * @return whether the kernel's backend had it
     */
    boolean takeFromKernel(int queues, boolean connected) throws IOException {
        if (!blkback.release(paths)) {
            return false;
        }
        change(tx -> {
            BackendNodes.offer(tx, paths.backend(), queues);
            if (connected && !"0".equals(tx.read(paths.backend() + "/online"))) {
                XenbusState.CONNECTED.write(tx, paths.backend());
            }
        });
        return true;
    }
}
