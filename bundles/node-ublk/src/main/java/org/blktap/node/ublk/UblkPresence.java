package org.blktap.node.ublk;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.Memory;
import org.blktap.linux.IoUring;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.Prerequisite;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/**
 * Finds out whether the kernel has ublk, the prerequisite of {@link UblkNodeProvider}. Otherwise, or if the daemon may
 * not use ublk, looks again every two seconds, since the module may be loaded later.
 */
@Component(
        service = {},
        immediate = true)
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>=org.blktap.node.ublk.UblkPresence$Driver",
        effective = "active")
public final class UblkPresence {
    /** The id of the prerequisite. */
    static final String ID = "org.blktap.ublk";

    private static final Logger LOG = System.getLogger("org.blktap.node.ublk");
    private static final long LOOK_MILLISECONDS = TimeUnit.SECONDS.toMillis(2);
    /** CAP_SYS_ADMIN of include/uapi/linux/capability.h. */
    private static final int CAP_SYS_ADMIN = 21;

    private static final String NO_DRIVER =
            "there is no /dev/ublk-control: modprobe ublk_drv, which Linux has from 6.0 on if it was built with it";

    private final Prerequisite ublk;
    private final Thread looking;
    private String reported;

    /**
     * The driver of this machine's kernel.
     *
     * @param features UBLK_F_* of the driver
     */
    public record Driver(long features) {}

    @Activate
    public UblkPresence(BundleContext context) {
        ublk = new Prerequisite(context, ID);
        looking = new Thread(this::lookAgain, "blktap-ublk-look");
        looking.setDaemon(true);
        if (!look()) {
            looking.start();
        }
    }

    @Deactivate
    public void stop() throws InterruptedException {
        looking.interrupt();
        looking.join();
        ublk.close();
    }

    private void lookAgain() {
        try {
            do {
                Thread.sleep(LOOK_MILLISECONDS);
            } while (!look());
        } catch (InterruptedException e) {
            // the bundle stops
        }
    }

    /** Looks for the driver and reports a change; returns whether the driver can be used. */
    private boolean look() {
        long features = 0;
        String why = missing();
        if (why == null) {
            try {
                features = features();
                if ((features & Ublk.FEATURES_NEEDED) != Ublk.FEATURES_NEEDED) {
                    why = "the ublk driver of this kernel cannot recover devices (features 0x"
                            + Long.toHexString(features) + "); that of Linux 6.5 can";
                }
            } catch (ErrnoException e) {
                why = e.errno() == Errno.EOPNOTSUPP || e.errno() == Errno.EINVAL || e.errno() == Errno.ENODEV
                        ? "the ublk driver of this kernel is too old; that of Linux 6.5 will do"
                        : IoUring.forbidden(e);
            }
        }
        if (why == null) {
            ublk.present(Driver.class, new Driver(features));
        } else if (!why.equals(reported)) {
            reported = why;
            ublk.absent(why);
            LOG.log(Level.DEBUG, "there is no node of kind ublk: " + why);
        }
        return why == null;
    }

    private static String missing() {
        if (!Files.exists(LinuxHost.CONTROL)) {
            return NO_DRIVER;
        }
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("CapEff:")
                        && !new BigInteger(line.substring("CapEff:".length()).strip(), 16).testBit(CAP_SYS_ADMIN)) {
                    return "the daemon has not CAP_SYS_ADMIN, which the ublk driver asks for";
                }
            }
        } catch (IOException | NumberFormatException e) {
            LOG.log(Level.DEBUG, "capabilities are not known", e);
        }
        return null;
    }

    /** Asks the driver for its features, by a separate ring, and waits for the answer. */
    private static long features() throws ErrnoException {
        LinuxHost host = new LinuxHost();
        int control = host.openControl();
        try (IoUring ring = host.ring(1, IoUring.SETUP_SQE128);
                Mapping answer = Mapping.anonymous(Ublk.FEATURES_BYTES)) {
            long entry = ring.next();
            Memory.putByte(entry + IoUring.SQE_OPCODE, (byte) IoUring.OP_URING_CMD);
            Memory.putInt(entry + IoUring.SQE_FD, control);
            Memory.putInt(entry + IoUring.SQE_CMD_OP, Ublk.CMD_GET_FEATURES);
            long command = entry + IoUring.SQE_CMD;
            Memory.putInt(command + Ublk.CTRL_DEV_ID, -1);
            Memory.putShort(command + Ublk.CTRL_QUEUE_ID, Ublk.NO_QUEUE);
            Memory.putShort(command + Ublk.CTRL_LEN, (short) Ublk.FEATURES_BYTES);
            Memory.putLong(command + Ublk.CTRL_ADDR, answer.address());
            int error;
            do {
                error = ring.enter(1);
            } while (error == Errno.EINTR);
            int result = ring.completion() == 0 ? -error : Memory.getInt(ring.completion() + IoUring.CQE_RES);
            if (result < 0) {
                throw new ErrnoException("cannot ask the ublk driver for its features", -result);
            }
            return Memory.getLong(answer.address());
        } finally {
            Libc.close(control);
        }
    }
}
