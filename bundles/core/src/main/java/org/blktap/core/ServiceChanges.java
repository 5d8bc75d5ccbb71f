package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/**
 * Opens attachments that waited for a service when it comes, and has all of them release a service that goes.
 *
 * @param <T> the service's type
 */
final class ServiceChanges<T> implements Registry.Follower<T> {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final AttachmentTable table;
    private final String what;
    private final Consumer<String> first;
    private final BiFunction<Attachment, Registry.Entry<T>, CompletableFuture<Boolean>> leave;

    private ServiceChanges(
            AttachmentTable table,
            String what,
            Consumer<String> first,
            BiFunction<Attachment, Registry.Entry<T>, CompletableFuture<Boolean>> leave) {
        this.table = table;
        this.what = what;
        this.first = first;
        this.leave = leave;
    }

    /** Connects a table to the services: those that are present at once, later ones as they come. */
    static void follow(Services services, AttachmentTable table) {
        services.installed()
                .drivers()
                .follow(new ServiceChanges<>(
                        table,
                        "driver of tap:",
                        table::driverCame,
                        (attachment, gone) -> attachment.serviceLoss().driverGone(gone)));
        services.installed()
                .filters()
                .follow(new ServiceChanges<>(
                        table,
                        "filter ",
                        table::filterCame,
                        (attachment, gone) -> attachment.serviceLoss().filterGone(gone)));
        services.installed()
                .engines()
                .follow(new ServiceChanges<>(
                        table,
                        "I/O engine ",
                        any -> {},
                        (attachment, gone) -> attachment.serviceLoss().engineGone(gone)));
        services.nodeKinds()
                .kinds()
                .follow(new ServiceChanges<>(
                        table,
                        "node kind ",
                        any -> {},
                        (attachment, gone) -> attachment.serviceLoss().providerGone(gone)));
    }

    /** Disconnects the table: when the daemon stops, the going of services has no effect. */
    static void unfollow(Services services) {
        services.installed().drivers().follow(null);
        services.installed().filters().follow(null);
        services.installed().engines().follow(null);
        services.nodeKinds().kinds().follow(null);
    }

    @Override
    public void came(Registry.Entry<T> service) {
        first.accept(service.name());
        LOG.log(Level.INFO, what + service.name() + " is here");
        table.retry();
    }

    @Override
    public void goes(Registry.Entry<T> service) {
        LOG.log(Level.INFO, what + service.name() + " goes");
        table.leave("the " + what + service.name(), attachment -> leave.apply(attachment, service));
    }
}
