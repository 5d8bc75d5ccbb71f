package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.LimitedLog;

/**
 * The backend of one device as XenBus sees it: follows the states of its frontend, as Linux's blkback does, and
 * connects and disconnects the node. Every step reads all it needs anew and does one thing, so that events may come
 * late, together or more than once ({@link Steps}). What throws here ends this device, once. XenBus thread only, except
 * where noted.
 */
final class XenBackend {
    static final int QUEUES_MAX = 8;

    private final LimitedLog log;
    private final XenBus bus;
    private final XenStore store;
    private final DevicePaths paths;
    private final Rings rings;
    private final int queuesMax;
    private final ServedDevice device;
    private XenStore.Watch frontendWatch;
    private XenStore.Watch backendWatch;
    /** What is served at present, or null. */
    private FrontendParameters connected;
    /**
     * Whether the frontend has been seen with rings or without: only then is it known whether an earlier process's
     * connection goes on.
     */
    private boolean met;

    private Service service = Service.GIVEN;
    /** The frontend has been CONNECTED since; if it is INITIALISED again it has new rings. */
    private boolean frontendConnected;
    /** What was logged last, and need not be logged again. */
    private volatile String complaint = "";

    private final Steps steps;
    private volatile boolean ended;

    /** Whether a frontend with rings is served; reset when it begins anew. */
    private enum Service {
        GIVEN,
        /** What the frontend wrote cannot be served, and it must close. */
        REFUSED,
        /** The device, or the code here, has failed: it is closed. */
        BROKEN
    }

    /**
     * The rings of the device, on the attachment's loop; each call here is asked of it, and answered on the XenBus
     * thread.
     */
    interface Rings {
        /**
         * @param writable whether the guest may write
         * @param answer the disk, and null or why it could not connect
         */
        void connect(FrontendParameters frontend, boolean writable, Connected answer);

        /** Ends what is in flight, unmaps everything, and forgets what an earlier process has left of a connection. */
        void disconnect(Runnable answer);

        /** The frontend has let the device go, or is gone. The toolstack, or we, need no more of it. */
        void gone();
    }

    /** See {@link Rings#connect}. */
    interface Connected {
        void connected(DiskInfo disk, boolean mapsPages, IOException failure);
    }

    XenBackend(
            String attachment,
            LimitedLog log,
            XenBus bus,
            XenStore store,
            DevicePaths paths,
            int queuesMax,
            Blkback blkback,
            Rings rings) {
        this.log = log;
        this.bus = bus;
        steps = new Steps(bus, guarded(this::step));
        this.store = store;
        this.paths = paths;
        this.queuesMax = queuesMax;
        device = new ServedDevice(store, paths, attachment, blkback);
        this.rings = rings;
    }

    /** Begins to follow the frontend. Any thread. */
    void start() {
        bus.execute(guarded(() -> {
            try {
                frontendWatch = store.watch(paths.frontend() + "/state", steps::changed);
                backendWatch = store.watch(paths.backend() + "/state", steps::changed);
            } catch (IOException e) {
                complain(e.getMessage());
            }
        }));
    }

    /** An exception ends this device, and neither the thread of all devices nor, at its next event, this one again. */
    private Runnable guarded(Runnable task) {
        return () -> {
            try {
                task.run();
            } catch (RuntimeException | Error e) {
                if (service != Service.BROKEN && !ended) {
                    log.log(Level.ERROR, "the backend failed, and closes the device: " + e, e);
                    breakDown("the backend failed: " + e);
                }
            }
        };
    }

    /** The rings have failed, see {@link BlkifDevice#failed}; that is logged already. */
    void failed(String why) {
        guarded(() -> {
                    if (!ended) {
                        breakDown(why);
                    }
                })
                .run();
    }

    /** Closes the device and frees all it has. A frontend that starts again may connect to it again. */
    private void breakDown(String why) {
        service = Service.BROKEN;
        complaint = why;
        try {
            device.change(tx -> XenbusState.CLOSING.write(tx, paths.backend()));
        } catch (IOException | RuntimeException e) {
            complain(e.getMessage());
        }
        if (steps.mayBegin()) {
            disconnect(guarded(this::step));
        }
    }

    /** Follows it no more, and leaves the nodes as they are. Any thread; a step may be under way. */
    void end() {
        ended = true;
        XenNode.onBus(bus, () -> {
            if (frontendWatch != null) {
                frontendWatch.close();
            }
            if (backendWatch != null) {
                backendWatch.close();
            }
        });
    }

    /** Looks at both sides and takes the next step. */
    void step() {
        if (ended || !steps.mayBegin()) {
            return;
        }
        try {
            if (!device.exists()) {
                // the toolstack has removed us
                disconnect(rings::gone);
                return;
            }
            takenFromKernel();
            XenbusState frontend = device.frontend();
            XenbusState own = device.own();
            switch (frontend) {
                case INITIALISING, INIT_WAIT, RECONFIGURING, RECONFIGURED -> initialising(own);
                case INITIALISED, CONNECTED -> ready(frontend, own);
                case CLOSING -> device.move(own, XenbusState.CLOSING);
                case CLOSED, UNKNOWN -> closed(frontend, own);
            }
        } catch (IOException e) {
            complain(e.getMessage());
        }
    }

    private boolean takenFromKernel() throws IOException {
        boolean taken = device.takeFromKernel(queuesMax, connected != null);
        if (taken) {
            log.log(
                    Level.WARNING,
                    "the kernel's xen-blkback had taken the device " + paths.busId() + "; it has released it");
        }
        return taken;
    }

    /** The frontend is there and waits for us. */
    private void initialising(XenbusState own) throws IOException {
        service = Service.GIVEN;
        if (connected != null || !met) {
            disconnect(this::step);
        } else if (own == XenbusState.CLOSING && !device.online()) {
            // to be removed before it was ever used
            device.move(own, XenbusState.CLOSED);
            rings.gone();
        } else if (own != XenbusState.INIT_WAIT || !device.offers(queuesMax)) {
            device.change(tx -> BackendNodes.announce(tx, paths.backend(), queuesMax));
        }
    }

    /** The frontend has rings. */
    private void ready(XenbusState frontend, XenbusState own) throws IOException {
        if (service != Service.GIVEN || own == XenbusState.CLOSING && connected != null) {
            // it has been asked to close, and is served until it does, unless it failed
            if (service == Service.BROKEN && connected != null) {
                disconnect(guarded(this::step));
            }
            return;
        }
        FrontendParameters parameters;
        try {
            parameters = device.parameters(queuesMax);
        } catch (IOException e) {
            refuse(e.getMessage());
            return;
        }
        if (connected == null) {
            connect(parameters);
        } else if (!connected.equals(parameters) || frontend == XenbusState.INITIALISED && frontendConnected) {
            // resumed elsewhere, or begun anew without saying so
            disconnect(this::step);
        } else {
            frontendConnected |= frontend == XenbusState.CONNECTED;
            device.move(own, XenbusState.CONNECTED);
        }
    }

    private void connect(FrontendParameters parameters) throws IOException {
        DeviceAccess access = device.access();
        steps.asked();
        met = true;
        rings.connect(
                parameters,
                access.writable(),
                (disk, mapsPages, failure) -> guarded(() -> {
                            steps.answered();
                            if (ended) {
                                return;
                            }
                            if (failure != null) {
                                failed(failure);
                            } else {
                                connected = parameters;
                                frontendConnected = false;
                                if (service != Service.BROKEN) {
                                    publish(disk, access, mapsPages);
                                }
                            }
                            steps.next();
                        })
                        .run());
    }

    /** It could not connect. */
    private void failed(IOException failure) {
        boolean taken = false;
        try {
            // which has bound the event channel then
            taken = takenFromKernel();
        } catch (IOException e) {
            complain(e.getMessage());
        }
        if (taken) {
            steps.again();
        } else {
            refuse(failure.getMessage());
        }
    }

    private void publish(DiskInfo disk, DeviceAccess access, boolean mapsPages) {
        try {
            device.change(tx -> BackendNodes.connect(tx, paths.backend(), disk, access, mapsPages));
            log.log(
                    Level.INFO,
                    "domain " + paths.domain() + " is connected, "
                            + connected.queues().size() + " queues, "
                            + (mapsPages && connected.persistent() ? "pages mapped" : "pages copied"));
        } catch (IOException e) {
            complain(e.getMessage());
        }
    }

    /** The frontend wants nothing more. */
    private void closed(XenbusState frontend, XenbusState own) throws IOException {
        service = Service.GIVEN;
        if (connected != null || !met) {
            disconnect(this::step);
            return;
        }
        device.move(own, XenbusState.CLOSED);
        if (!device.online() || frontend == XenbusState.UNKNOWN && device.frontendIsGone()) {
            rings.gone();
        }
    }

    /** Disconnects, and then continues, unless the node has been closed. */
    private void disconnect(Runnable then) {
        steps.asked();
        rings.disconnect(guarded(() -> {
            steps.answered();
            met = true;
            connected = null;
            frontendConnected = false;
            if (!ended) {
                then.run();
                steps.next();
            }
        }));
    }

    /** A frontend that does not keep to the protocol loses its device. */
    private void refuse(String why) {
        complain(why);
        if (service == Service.GIVEN) {
            service = Service.REFUSED;
        }
        try {
            device.change(tx -> XenbusState.CLOSING.write(tx, paths.backend()));
        } catch (IOException e) {
            complain(e.getMessage());
        }
    }

    // ---- what the node asks for, on the XenBus thread

    /** Asks the frontend to let the device go, as a toolstack does. */
    void askToClose() {
        guarded(() -> setOnline(false, XenbusState.CLOSING)).run();
    }

    /** Takes that back. */
    void goOn() {
        guarded(() -> setOnline(true, connected != null ? XenbusState.CONNECTED : XenbusState.INIT_WAIT))
                .run();
    }

    private void setOnline(boolean online, XenbusState state) {
        try {
            device.setOnline(online, state);
        } catch (IOException e) {
            complain(e.getMessage());
        }
        step();
    }

    /** The disk has another size. */
    void resized(long bytes) {
        guarded(() -> writeSize(bytes)).run();
    }

    private void writeSize(long bytes) {
        if (connected != null) {
            try {
                device.change(tx -> BackendNodes.size(tx, paths.backend(), bytes));
            } catch (IOException e) {
                complain(e.getMessage());
            }
        }
    }

    /** Logs it once: a guest may repeat what it did as often as it likes. */
    private void complain(String what) {
        if (!ended && !what.equals(complaint)) {
            complaint = what;
            log.log(Level.WARNING, what);
        }
    }

    /** The last trouble, or empty. Any thread may read it, perhaps late. */
    String complaint() {
        return complaint;
    }
}
