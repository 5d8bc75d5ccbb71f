package org.blktap.node.ublk;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.KeptDevice;

/** One attachment as a block device of the host. Loop only. */
final class UblkNode implements DeviceNode {
    /** How long to wait for the end of a device, on the loop of an attachment that ends. */
    private static final long STOP_MILLISECONDS = 20_000;

    private final NodeContext context;
    private final UblkHost host;
    private final LimitedLog log;
    private final long features;
    private final ControlRing control;
    private final DeviceRecord record;
    private final UblkDevice device;
    private final Runnable ended;
    /** Whether the device has been started, so that there is a block device. */
    private boolean live;
    /** The size that the host sees: that of the disk when it was opened here, unless the driver can change it. */
    private long size;

    /** Ends when the block device exists; null before it is started. */
    private CompletableFuture<Void> start;
    /** Ends when the block device no longer exists; null unless it is being stopped. */
    private CompletableFuture<Void> stop;

    private boolean closed;

    /**
     * @param features of the driver
     * @param live whether the device has been started
     * @param ended called when the node is closed
     */
    UblkNode(
            NodeContext context,
            UblkHost host,
            LimitedLog log,
            long features,
            ControlRing control,
            DeviceRecord record,
            UblkDevice device,
            boolean live,
            Runnable ended) {
        this.context = context;
        this.host = host;
        this.log = log;
        this.features = features;
        this.control = control;
        this.record = record;
        this.device = device;
        this.live = live;
        this.ended = ended;
        size = context.port().info().sizeBytes();
    }

    /** The name by which a device is kept for a successor of this bundle. */
    static String keptName(NodeContext context) {
        return "ublk " + context.runDir() + " " + context.id();
    }

    UblkDevice device() {
        return device;
    }

    /**
     * {@inheritDoc} Makes the block device appear. The kernel then reads its partition table, so that the disk must be
     * open.
     */
    @Override
    public CompletionStage<Void> started() {
        if (live || closed || stop != null) {
            return CompletableFuture.completedFuture(null);
        }
        int number = device.info().number();
        start = control.command("start " + device.info(), Ublk.CMD_START_DEV, number, host.pid());
        return start.handle((nothing, failure) -> {
            if (failure != null) {
                throw new CompletionException(DeviceOpening.failure(failure));
            }
            live = true;
            context.loop()
                    .offload(
                            () -> {
                                host.shortTimeout(number);
                                return 0;
                            },
                            error -> {});
            return null;
        });
    }

    @Override
    public String address() {
        return UblkNodeProvider.KIND + ":" + device.info();
    }

    @Override
    public Map<String, Object> status() {
        DeviceInfo info = device.info();
        Map<String, Object> status = new LinkedHashMap<>();
        status.put("device", info.toString());
        status.put("state", device.gone() ? "stopped by another program" : live ? "live" : "starting");
        status.put("queues", info.queues());
        status.put("depth", info.depth());
        status.put("largest request", info.bufferBytes());
        status.put("in flight", device.inFlight());
        long now = context.port().info().sizeBytes();
        if (now != size) {
            status.put(
                    "size that the host knows",
                    Options.sizeText(size) + ": this kernel cannot change it (Linux 6.16 can); detach and attach");
        }
        status.put("survives a restart", "yes");
        return status;
    }

    @Override
    public boolean mayWrite() {
        return !context.port().info().readOnly() && !device.gone();
    }

    @Override
    public void resumed() {
        // in this turn the loop asks the device, which looks into its ring
    }

    @Override
    public void resized() {
        long now = context.port().info().sizeBytes();
        if ((features & device.info().flags() & Ublk.F_UPDATE_SIZE) == 0) {
            log.log(
                    Level.WARNING,
                    device.info() + " keeps its size of " + Options.sizeText(size)
                            + " until it is detached: this kernel cannot change it (Linux 6.16 can)");
            return;
        }
        control.command(
                        "resize " + device.info(),
                        Ublk.CMD_UPDATE_SIZE,
                        device.info().number(),
                        now / Alignment.SECTOR)
                .whenComplete((nothing, failure) -> {
                    if (failure == null) {
                        size = now;
                    } else {
                        log.log(Level.WARNING, failure.getMessage());
                    }
                });
    }

    /** {@inheritDoc} Refuses while somebody on this host uses the device. */
    @Override
    public CompletionStage<Void> unplug() {
        CompletableFuture<Void> free = new CompletableFuture<>();
        String[] holder = {null};
        context.loop()
                .offload(
                        () -> {
                            holder[0] = host.holder(device.info().number());
                            return 0;
                        },
                        error -> {
                            if (error != 0) {
                                holder[0] = "it is not known who uses it";
                            }
                            if (holder[0] == null) {
                                free.complete(null);
                            } else {
                                free.completeExceptionally(new DiskException(
                                        Reason.BUSY,
                                        device.info() + " is in use: " + holder[0] + "; --force takes it away"));
                            }
                        });
        return free;
    }

    @Override
    public void disconnect() {
        if (!closed) {
            stop();
        }
    }

    /** Makes the driver stop the device, and answers requests in flight and later ones with errors. */
    private void stop() {
        if (stop == null) {
            stop = control.command(
                    "stop " + device.info(), Ublk.CMD_STOP_DEV, device.info().number(), 0);
            device.fail();
        }
    }

    /** {@inheritDoc} Leaves the device to a successor of this bundle, or the next process. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (stop != null || start != null && !start.isDone()) {
            // the driver reads the partition table, and cannot delete the device before that has ended
            remove();
            return;
        }
        closed = true;
        if (live && !device.gone()) {
            KeptDevice.keep(keptName(context), device.keep());
        } else {
            // without a block device there is nothing to come back to
            device.close();
            delete();
        }
        end();
    }

    @Override
    public void remove() {
        if (closed) {
            return;
        }
        stop();
        closed = true;
        if (!control.await(stop, device::turn, STOP_MILLISECONDS)) {
            log.log(Level.ERROR, device.info() + " does not stop; it ends when the daemon does");
        }
        device.close();
        delete();
        end();
    }

    private void delete() {
        CompletableFuture<Void> deleted = control.delete(device.info());
        control.await(deleted, () -> {}, STOP_MILLISECONDS);
        try {
            record.remove();
        } catch (IOException e) {
            log.log(Level.WARNING, "the record of " + device.info() + " cannot be removed: " + e.getMessage());
        }
        deleted.whenComplete((nothing, failure) -> {
            if (failure != null && DeviceOpening.errno(failure) != Errno.ENODEV) {
                log.log(Level.WARNING, failure.getMessage());
            }
        });
    }

    private void end() {
        control.close();
        ended.run();
    }
}
