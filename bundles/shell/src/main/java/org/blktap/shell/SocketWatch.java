package org.blktap.shell;

import java.lang.System.Logger.Level;
import java.util.HashSet;
import java.util.Set;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.deploy.LostSockets;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/**
 * Looks now and then whether the unix sockets of nodes are still there, and says so in the log if one is not: no new
 * client can come to it.
 */
@Component(
        service = {},
        immediate = true)
public final class SocketWatch {
    private static final System.Logger LOG = System.getLogger("org.blktap.shell");
    /** Longer than nodes need that make their sockets again. */
    private static final int LOOK_MILLIS = 5000;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Attachments core;

    private final Set<String> told = new HashSet<>();
    private final Thread watcher = new Thread(this::watch, "blktap-sockets");

    @Activate
    public SocketWatch() {
        watcher.setDaemon(true);
        watcher.start();
    }

    private void watch() {
        try {
            while (true) {
                Thread.sleep(LOOK_MILLIS);
                Attachments attachments = core;
                if (attachments != null) {
                    look(attachments);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void look(Attachments attachments) {
        Set<String> lost = new HashSet<>();
        for (AttachmentStatus each : attachments.list()) {
            LostSockets.of(each).forEach(address -> lost.add(LostSockets.message(each.id(), address)));
        }
        lost.stream().filter(message -> !told.contains(message)).forEach(message -> LOG.log(Level.WARNING, message));
        told.clear();
        told.addAll(lost);
    }

    @Deactivate
    public void stop() {
        watcher.interrupt();
    }
}
