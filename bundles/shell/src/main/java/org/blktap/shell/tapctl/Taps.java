package org.blktap.shell.tapctl;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.PercentCoding;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.command.Surroundings;
import org.blktap.shell.tapctl.Minors.Minor;

/** What tap-ctl's verbs are made of: finding a minor, opening and closing its disk. */
final class Taps {
    private static final Logger LOG = System.getLogger("org.blktap.shell.tapctl");
    /** The filter that writes to a second image, of the bundle filter-tee. */
    static final String MIRROR = "tee";
    /** The most images of a chain that are shown. */
    private static final int MOST_IMAGES = 64;

    private final Surroundings here;
    private final Minors minors;

    Taps(Surroundings here, Minors minors) {
        this.here = here;
        this.minors = minors;
    }

    /** Something that a caller may not want to wait for to its end. */
    interface Work {
        void run() throws Exception;
    }

    Attachments attachments() throws DiskException {
        return here.attachments();
    }

    boolean terminal() {
        return here.terminal();
    }

    Minors minors() {
        return minors;
    }

    List<Minor> list() throws DiskException {
        return minors.list(attachments());
    }

    /** The minor of a number, or null if there is none. */
    Minor minor(int number) throws DiskException {
        return list().stream()
                .filter(each -> each.number() == number)
                .findFirst()
                .orElse(null);
    }

    /**
     * A bound minor. All are the daemon's; those of before its restart may be named by its former pid, which their
     * sockets keep.
     *
     * @throws Refused ENOENT for a pid that is nobody's, ENODEV for a minor that is not its
     */
    Minor find(long pid, int number) throws DiskException, Refused {
        List<Minor> all = list();
        for (Minor each : all) {
            if (each.number() == number && each.pid() != 0 && (each.pid() == pid || pid == minors.daemon())) {
                return each;
            }
        }
        if (pid != minors.daemon() && all.stream().noneMatch(each -> each.pid() == pid)) {
            throw noSuchPid(pid);
        }
        throw new Refused(TapErrno.ENODEV, "minor " + number + " is not attached to pid " + pid);
    }

    /** Finds a minor that has a disk. */
    Minor findOpen(long pid, int number) throws DiskException, Refused {
        Minor found = find(pid, number);
        if (found.disk() == null) {
            throw new Refused(TapErrno.ENODEV, "nothing is open on minor " + number);
        }
        return found;
    }

    Refused noSuchPid(long pid) {
        return new Refused(TapErrno.ENOENT, "no tapdisk has the pid " + pid + "; the daemon is " + minors.daemon());
    }

    /** What {@code -a type:path} names; ENOENT if nobody serves the type. */
    TapSpec image(String arguments) throws DiskException, Refused {
        TapSpec spec = here.spec("tap:" + arguments);
        List<String> types = attachments().drivers().stream()
                .map(Attachments.ServiceStatus::name)
                .toList();
        if (!types.contains(spec.type())) {
            throw new Refused(
                    TapErrno.ENOENT, "no driver of the type " + spec.type() + "; present: " + String.join(", ", types));
        }
        return spec;
    }

    /**
     * Returns the images below the image of a minor, from the uppermost down, as far as they can be opened without
     * options that only the attachment has.
     */
    List<TapSpec> backings(Minor of) throws DiskException {
        List<TapSpec> found = new ArrayList<>();
        TapSpec next = attachments().disk(of.disk().id()).backing();
        while (next != null && found.size() < MOST_IMAGES) {
            found.add(next);
            try {
                next = here.images().info(next, Map.of()).backing();
            } catch (DiskException e) {
                LOG.log(Level.DEBUG, "the images below " + next + " are not known: " + e.getMessage());
                break;
            }
        }
        return found;
    }

    /**
     * Returns the filter for a second image, which gets all writes as well; empty if no image is named. The image is
     * checked.
     *
     * @param arguments {@code type:path} or null; a path of the type nbd is the socket of a server
     */
    List<String> mirror(String arguments) throws DiskException, Refused {
        if (arguments == null) {
            return List.of();
        }
        TapSpec second = image(arguments);
        if (second.type().equals("nbd") && second.path().startsWith("/")) {
            second = new TapSpec("nbd", "nbd+unix:///?socket=" + PercentCoding.encode(second.path()));
        }
        if (second.path().indexOf(',') >= 0) {
            throw new Refused(TapErrno.EINVAL, second + ": the path of a second image has no comma");
        }
        here.images().info(second, Map.of());
        return List.of(MIRROR + ",to=" + second + ",key=" + UUID.randomUUID());
    }

    /** Whether a filter of an attachment is one of {@link #mirror}. */
    static boolean isMirror(String filter) {
        return filter.equals(MIRROR) || filter.startsWith(MIRROR + ",");
    }

    /** Ends the writing to a second image. */
    void endMirror(Minor of) throws DiskException {
        if (of.disk().filters().stream().anyMatch(Taps::isMirror)) {
            attachments().removeFilter(of.disk().id(), MIRROR);
        }
    }

    /**
     * Attaches a disk, with an NBD server where tapdisk's would be.
     *
     * @param filters of {@link #mirror}
     */
    void open(Minor at, TapSpec image, Image how, List<String> filters) throws DiskException {
        attachments()
                .attach(new AttachRequest(
                        image,
                        Minors.id(at.number()),
                        List.of("nbd,socket=" + minors.socket(at.pid(), at.number()) + ",name=tapdisk_client"),
                        how.readOnly,
                        how.options(),
                        filters));
    }

    /**
     * Detaches what is open, if anything is; the minor stays bound.
     *
     * @param force not to ask the VM
     */
    void close(Minor at, boolean force) throws Exception {
        if (at.disk() == null) {
            return;
        }
        String id = at.disk().id();
        try {
            attachments().detach(id, force);
        } finally {
            // it may be gone though the last flush has failed
            minors.inOneStep(() -> {
                if (attachments().list().stream().noneMatch(each -> each.id().equals(id))) {
                    minors.closed(at);
                }
            });
        }
    }

    /**
     * Waits for work up to a limit; then the work continues without its caller.
     *
     * @param seconds 0 to wait for its end
     * @throws Refused ETIMEDOUT
     */
    static void within(int seconds, Work work) throws Exception {
        if (seconds == 0) {
            work.run();
            return;
        }
        CompletableFuture<Void> ended = new CompletableFuture<>();
        Thread thread = new Thread(
                () -> {
                    try {
                        work.run();
                        ended.complete(null);
                    } catch (Exception e) {
                        ended.completeExceptionally(e);
                    }
                },
                "blktap-tap-ctl");
        thread.setDaemon(true);
        thread.start();
        try {
            ended.get(seconds, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new Refused(TapErrno.ETIMEDOUT, "not done within " + seconds + " s; it goes on");
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }
}
