package org.blktap.node.ublk;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.KeptDevice;

/**
 * Makes the device of a node, or finds its earlier one: kept by a predecessor of this bundle, or quiesced by the driver
 * since the last process ended (Documentation/block/ublk.rst, user recovery). Loop only; ends within
 * {@link #LIMIT_NANOS} and what the driver takes for a command.
 */
final class DeviceOpening {
    /** How long to wait for a device whose last server is still ending: twice the driver's time limit of requests. */
    static final long LIMIT_NANOS = 60_000_000_000L;

    private static final long RETRY_MILLISECONDS = 20;
    /** How long to wait for a number that was asked for. */
    private static final long NUMBER_NANOS = 1_000_000_000L;

    private final NodeContext context;
    private final UblkHost host;
    private final LimitedLog log;
    private final long features;
    private final NodeOptions options;
    private final DeviceRecord record;
    private final Runnable ended;
    private ControlRing control;
    private final long began = System.nanoTime();

    DeviceOpening(
            NodeContext context, UblkHost host, LimitedLog log, long features, NodeOptions options, Runnable ended) {
        this.context = context;
        this.host = host;
        this.log = log;
        this.features = features;
        this.options = options;
        this.ended = ended;
        record = new DeviceRecord(context.runDir(), context.id());
    }

    /**
     * Opens the device. The future ends on the loop, exceptionally with a {@link DiskException}; then nothing is left
     * behind.
     */
    CompletableFuture<UblkNode> open() {
        KeptDevice kept = KeptDevice.take(UblkNode.keptName(context));
        CompletableFuture<UblkNode> opened;
        try {
            control = new ControlRing(host, context.loop(), context.memory());
            UblkDevice adopted = kept == null ? null : UblkDevice.adopt(context, host, log, kept);
            if (adopted != null) {
                return CompletableFuture.completedFuture(node(adopted, true));
            }
            opened = fromRecord(record.read());
        } catch (IOException | DiskException | RuntimeException e) {
            opened = CompletableFuture.failedFuture(e);
        }
        if (kept != null && control == null) {
            KeptDevice.keep(UblkNode.keptName(context), kept);
        } else if (kept != null) {
            kept.close();
        }
        return opened.handle((node, failure) -> {
            if (failure == null) {
                return node;
            }
            if (control != null) {
                control.close();
            }
            throw new CompletionException(failure(failure));
        });
    }

    private UblkNode node(UblkDevice device, boolean live) {
        return new UblkNode(context, host, log, features, control, record, device, live, ended);
    }

    /** Returns a failure as the core shows it. */
    static DiskException failure(Throwable failure) {
        Throwable cause = cause(failure);
        if (cause instanceof DiskException known) {
            return known;
        }
        Reason reason = Reason.IO;
        if (cause instanceof ErrnoException e) {
            reason = switch (e.errno()) {
                case Errno.EPERM, Errno.EACCES -> Reason.PERMISSION;
                case Errno.EEXIST -> Reason.EXISTS;
                case Errno.EBUSY -> Reason.BUSY;
                default -> Reason.IO;
            };
        }
        return new DiskException(reason, "ublk: " + cause.getMessage(), cause);
    }

    private static Throwable cause(Throwable failure) {
        Throwable cause = failure;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    private CompletableFuture<UblkNode> fromRecord(DeviceRecord.Contents contents) throws IOException {
        if (contents == null) {
            return create(options.number());
        }
        return find(contents, contents.number(), host.devices(), 0).thenCompose(found -> {
            if (found == null) {
                log.log(Level.WARNING, "the device that it had is gone; it gets another one");
                return create(options.number());
            }
            return context.reopened() && found.state() != Ublk.STATE_DEAD ? recover(found) : replace(found);
        });
    }

    /**
     * Finds the device of a record: first by its number, then among all devices, since a process may have been killed
     * before it knew the number.
     */
    private CompletableFuture<DeviceInfo> find(DeviceRecord.Contents contents, int number, int[] others, int next) {
        if (number == DeviceRecord.ANY) {
            return next == others.length
                    ? CompletableFuture.completedFuture(null)
                    : find(contents, others[next], others, next + 1);
        }
        return control.info(number)
                .handle((info, failure) -> {
                    boolean ours =
                            failure == null && info.number() == number && info.isOurs(contents.identity(), host.user());
                    return ours
                            ? CompletableFuture.completedFuture(info)
                            : find(contents, DeviceRecord.ANY, others, next);
                })
                .thenCompose(Function.identity());
    }

    // ---- an existing device

    private CompletableFuture<UblkNode> recover(DeviceInfo info) {
        if (!info.fits(options.wanted(info.number(), features, info.identity()))) {
            return CompletableFuture.failedFuture(new DiskException(
                    Reason.CORRUPT,
                    info + " has " + info.queues() + " queues of " + info.depth() + " requests of " + info.bufferBytes()
                            + " bytes, which this node has not asked for"));
        }
        UblkDevice[] device = {null};
        return untilFree(() -> control.command("recover " + info, Ublk.CMD_START_USER_RECOVERY, info.number(), 0))
                .handle((nothing, failure) -> {
                    // a process killed during a recovery has started it; whether it can go on shows below
                    if (failure != null && errno(failure) != Errno.EINVAL) {
                        throw new CompletionException(failure);
                    }
                    return null;
                })
                .thenCompose(nothing -> untilFree(() -> {
                    device[0] = UblkDevice.open(context, host, log, info);
                    return CompletableFuture.completedFuture(null);
                }))
                .thenCompose(nothing ->
                        control.command("recover " + info, Ublk.CMD_END_USER_RECOVERY, info.number(), host.pid()))
                .handle((nothing, failure) -> {
                    if (failure != null) {
                        if (device[0] != null) {
                            device[0].close();
                        }
                        throw new CompletionException(failure);
                    }
                    log.log(Level.INFO, info + " is served again");
                    return node(device[0], true);
                });
    }

    private interface Attempt {
        CompletableFuture<Void> start() throws IOException;
    }

    /** Tries again while the driver says that the last server has not ended. */
    private CompletableFuture<Void> untilFree(Attempt attempt) {
        CompletableFuture<Void> done;
        try {
            done = attempt.start();
        } catch (IOException e) {
            done = CompletableFuture.failedFuture(e);
        }
        return done.handle((nothing, failure) -> {
                    if (failure == null) {
                        return CompletableFuture.<Void>completedFuture(null);
                    }
                    if (errno(failure) != Errno.EBUSY || System.nanoTime() - began > LIMIT_NANOS) {
                        return CompletableFuture.<Void>failedFuture(failure);
                    }
                    CompletableFuture<Void> later = new CompletableFuture<>();
                    context.loop().schedule(() -> later.complete(null), RETRY_MILLISECONDS);
                    return later.thenCompose(again -> untilFree(attempt));
                })
                .thenCompose(Function.identity());
    }

    static int errno(Throwable failure) {
        return cause(failure) instanceof ErrnoException e ? e.errno() : 0;
    }

    /** Removes a device that an attachment of this id has left, unless it is in use, and makes a new one. */
    private CompletableFuture<UblkNode> replace(DeviceInfo left) {
        CompletableFuture<String> holder = new CompletableFuture<>();
        String[] found = {null};
        context.loop()
                .offload(
                        () -> {
                            found[0] = left.state() == Ublk.STATE_DEAD ? null : host.holder(left.number());
                            return 0;
                        },
                        error -> holder.complete(found[0]));
        return holder.thenCompose(who -> who == null
                        ? control.delete(left)
                        : CompletableFuture.failedFuture(new DiskException(
                                Reason.EXISTS,
                                left + " is left of an earlier attachment '" + context.id() + "', and in use: " + who)))
                .thenCompose(nothing -> create(options.number()));
    }

    // ---- a new device

    private CompletableFuture<UblkNode> create(int number) {
        long identity = DeviceRecord.newIdentity();
        try {
            record.write(new DeviceRecord.Contents(identity, DeviceRecord.ANY));
        } catch (DiskException e) {
            return CompletableFuture.failedFuture(e);
        }
        DeviceInfo wanted = options.wanted(number, features, identity);
        return add(number, wanted, System.nanoTime() + NUMBER_NANOS)
                .handle((added, failure) -> failure == null
                        ? configure(added, wanted)
                        : abandoned(() -> CompletableFuture.completedFuture(null), failure))
                .thenCompose(Function.identity());
    }

    /** Adds a device. A deleted device may still have its number for a moment. */
    private CompletableFuture<DeviceInfo> add(int number, DeviceInfo wanted, long until) {
        return control.command(
                        "add " + (number == DeviceRecord.ANY ? "a ublk device" : wanted),
                        Ublk.CMD_ADD_DEV,
                        number,
                        0,
                        DeviceInfo.BYTES,
                        wanted::write,
                        DeviceInfo::read)
                .handle((added, failure) -> {
                    if (failure == null) {
                        return CompletableFuture.completedFuture(added);
                    }
                    if (errno(failure) != Errno.EEXIST || System.nanoTime() - until > 0) {
                        return CompletableFuture.<DeviceInfo>failedFuture(failure);
                    }
                    CompletableFuture<Void> later = new CompletableFuture<>();
                    context.loop().schedule(() -> later.complete(null), RETRY_MILLISECONDS);
                    return later.thenCompose(again -> add(number, wanted, until));
                })
                .thenCompose(Function.identity());
    }

    private CompletableFuture<UblkNode> configure(DeviceInfo added, DeviceInfo wanted) {
        CompletableFuture<UblkNode> made;
        try {
            if (!added.fits(wanted) || !added.isOurs(wanted.identity(), host.user())) {
                throw new DiskException(
                        Reason.UNSUPPORTED, "ublk: the driver has made another device than was asked for");
            }
            record.write(new DeviceRecord.Contents(added.identity(), added.number()));
            made = control.command(
                            "set the parameters of " + added,
                            Ublk.CMD_SET_PARAMS,
                            added.number(),
                            0,
                            Parameters.BYTES,
                            at -> Parameters.write(at, context.port().info(), added.bufferBytes()),
                            at -> null)
                    .thenCompose(nothing -> {
                        try {
                            return CompletableFuture.completedFuture(
                                    node(UblkDevice.open(context, host, log, added), false));
                        } catch (ErrnoException e) {
                            return CompletableFuture.failedFuture(e);
                        }
                    });
        } catch (DiskException e) {
            made = CompletableFuture.failedFuture(e);
        }
        return made.handle((node, failure) -> failure == null
                        ? CompletableFuture.completedFuture(node)
                        : abandoned(() -> control.delete(added), failure))
                .thenCompose(Function.identity());
    }

    /** Removes the device, if there is one, and the record, and fails. */
    private CompletableFuture<UblkNode> abandoned(Supplier<CompletableFuture<Void>> removal, Throwable failure) {
        return removal.get().handle((nothing, other) -> {
            try {
                record.remove();
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
            throw new CompletionException(failure);
        });
    }
}
