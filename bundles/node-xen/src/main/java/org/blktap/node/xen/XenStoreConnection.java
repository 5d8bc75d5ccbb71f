package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.blktap.api.engine.CloseOnFailure;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/**
 * Keeps the bundle connected to XenStore: looks every few seconds whether there is one, connects, and begins again when
 * the connection is lost. A service for this bundle only.
 *
 * <p>While there is none, that costs one thread which asks whether a file exists. Each change of the state is logged in
 * one line.
 */
@Component(service = XenStoreConnection.class)
public final class XenStoreConnection implements XenBus, AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.node.xen");
    private static final long LOOK_EVERY_MS = 5000;
    private static final String LOST = "the connection to XenStore is lost";
    /** How long {@link #close} waits for xenstored, which must answer before the reader can end. */
    private static final long CLOSE_MS = 10_000;

    /** Connects to the XenStore that there is. */
    interface Opener {
        XsLibrary open() throws IOException;
    }

    private final XenBusThread bus = new XenBusThread();
    private final XenStorePlaces places;
    private final Opener opener;
    private final long lookEveryMs;
    // the rest is used on the XenBus thread only
    private final List<Listener> listeners = new ArrayList<>();
    private NativeXenStore store;
    /** The reason that was logged last. */
    private String said = "";
    /** Why there is no connection; null while there is one, and until that is known. */
    private String absence;
    /** Reader of the connection that is being made or in use. */
    private volatile Thread reader;

    private volatile boolean closed;

    @Activate
    public XenStoreConnection() {
        this(XenStorePlaces.of(System.getenv()), NativeXsLibrary::open, LOOK_EVERY_MS);
    }

    XenStoreConnection(XenStorePlaces places, Opener opener, long lookEveryMs) {
        this.places = places;
        this.opener = opener;
        this.lookEveryMs = lookEveryMs;
        execute(this::look);
    }

    private final class Listener implements Registration {
        private final XenStoreListener listener;
        private volatile boolean gone;

        Listener(XenStoreListener listener) {
            this.listener = listener;
        }

        void connected() {
            if (!gone) {
                listener.onConnected(store);
            }
        }

        void lost() {
            if (!gone) {
                listener.onLost();
            }
        }

        void absent() {
            if (!gone) {
                listener.onAbsent(absence);
            }
        }

        @Override
        public void close() {
            gone = true;
            try {
                execute(() -> listeners.remove(this));
            } catch (RejectedExecutionException e) {
                LOG.log(Level.DEBUG, "the XenBus thread has ended");
            }
        }
    }

    /** @throws RejectedExecutionException after {@link #close} */
    @Override
    public void execute(Runnable task) {
        bus.execute(task);
    }

    @Override
    public void after(long milliseconds, Runnable task) {
        bus.after(milliseconds, task);
    }

    @Override
    public long busyMilliseconds() {
        return bus.busyMilliseconds();
    }

    @Override
    public Registration listen(XenStoreListener listener) {
        Listener registered = new Listener(listener);
        execute(() -> {
            listeners.add(registered);
            if (store != null) {
                registered.connected();
            } else if (absence != null) {
                registered.absent();
            }
        });
        return registered;
    }

    /** Begins to connect if there is a XenStore now; comes back later otherwise. */
    private void look() {
        if (closed) {
            return;
        }
        Path place = places.present();
        if (place == null) {
            absent(
                    Level.INFO,
                    "there is no XenStore on this machine (none of " + places
                            + " exists); Xen guests are served once there is");
            bus.after(lookEveryMs, this::look);
            return;
        }
        reader = new Thread(() -> connectAndRead(place), "blktap-xenstore");
        reader.setDaemon(true);
        reader.start();
    }

    /**
     * The life of the reader thread. It connects as well: before xenstored runs, the kernel's device opens but does not
     * answer.
     */
    private void connectAndRead(Path place) {
        NativeXenStore opened;
        try {
            XsLibrary library = opener.open();
            try (CloseOnFailure closing = new CloseOnFailure(library::close)) {
                opened = new NativeXenStore(library, bus, this::lost);
                closing.keep();
            }
        } catch (NativeXsLibrary.LibraryMissingException e) {
            absent(Level.WARNING, "there is a XenStore (" + place + "), but " + e.getMessage());
            return;
        } catch (IOException e) {
            absent(
                    Level.WARNING,
                    "there is a XenStore (" + place + "), but it cannot be used, and is tried again: "
                            + e.getMessage());
            bus.after(lookEveryMs, this::look);
            return;
        }
        try {
            execute(() -> connected(opened, place));
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "connected too late"); // the reader finds that out as well
        }
        if (closed) {
            opened.close();
        }
        opened.readEvents();
    }

    private void connected(NativeXenStore opened, Path place) {
        if (closed || opened.isEnded()) {
            return; // before any listener was called
        }
        store = opened;
        absence = null;
        say(Level.INFO, "connected to XenStore (" + place + ")");
        tell(Listener::connected);
    }

    /** Handles a lost connection, on the thread that noticed it. */
    private void lost(NativeXenStore gone) {
        try {
            execute(() -> {
                say(Level.WARNING, LOST);
                if (store == gone) {
                    store = null;
                    tell(Listener::lost);
                }
                absent(Level.WARNING, LOST);
                bus.after(lookEveryMs, this::look);
            });
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the XenBus thread has ended");
        }
    }

    private void tell(Consumer<Listener> news) {
        for (Listener listener : List.copyOf(listeners)) {
            XenBusThread.run(() -> news.accept(listener)); // one that throws keeps it from no other
        }
    }

    /** Logs why there is no connection, and notifies the listener. Any thread. */
    private void absent(Level level, String reason) {
        say(level, reason);
        try {
            execute(() -> {
                if (store == null && !reason.equals(absence)) {
                    absence = reason;
                    tell(Listener::absent);
                }
            });
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the XenBus thread has ended");
        }
    }

    private synchronized void say(Level level, String message) {
        if (!message.equals(said)) {
            said = message;
            LOG.log(level, message);
        }
    }

    /** Disconnects. Pending tasks are done before; {@link XenStoreListener#onLost} is not called. */
    @Override
    @Deactivate
    public void close() {
        closed = true;
        try {
            execute(() -> {
                if (store != null) {
                    store.close();
                    store = null;
                }
            });
        } catch (RejectedExecutionException e) {
            return; // closed before
        }
        long until = System.nanoTime() + CLOSE_MS * 1_000_000;
        boolean done = bus.close(CLOSE_MS);
        Thread last = reader;
        try {
            if (last != null) {
                last.join(Math.max(1, (until - System.nanoTime()) / 1_000_000));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (!done || last != null && last.isAlive()) {
            LOG.log(Level.WARNING, "xenstored does not answer; its connection is left behind");
        }
    }
}
