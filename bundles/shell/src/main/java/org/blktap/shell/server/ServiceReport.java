package org.blktap.shell.server;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.linux.ServiceManager;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Reports to the service manager when the daemon is ready, reloads and ends, and every few seconds, in a line for
 * people, how many disks run.
 */
@Component(service = ServiceReport.class)
public final class ServiceReport {
    private static final int LOOK_SECONDS = 5;

    private final ControlServices services;
    private final ServiceManager manager = ServiceManager.ours();
    private ScheduledExecutorService looks;
    private String reported;
    /** What is wrong with the file of settings, as of the last read; null if nothing is. */
    private String problem;

    @Activate
    public ServiceReport(@Reference ControlServices services) {
        this.services = services;
    }

    /** Called when the daemon is ready. */
    synchronized void ready() {
        reported = summary();
        manager.ready(reported);
        if (manager.present() && looks == null) {
            looks = Executors.newSingleThreadScheduledExecutor(task -> {
                Thread thread = new Thread(task, "blktap-report");
                thread.setDaemon(true);
                return thread;
            });
            looks.scheduleWithFixedDelay(this::look, LOOK_SECONDS, LOOK_SECONDS, TimeUnit.SECONDS);
        }
    }

    /** Called when the settings are about to be read again. */
    void reloading() {
        manager.reloading();
    }

    /**
     * Called when the settings have been read.
     *
     * @param why the old settings stay, or null
     */
    synchronized void reloaded(String why) {
        problem = why;
        reported = summary();
        manager.ready(reported);
    }

    private synchronized void look() {
        String now = summary();
        if (!now.equals(reported)) {
            reported = now;
            manager.report(now);
        }
    }

    private String summary() {
        Attachments attachments = services.attachments();
        return (attachments == null ? "the core is missing" : summary(attachments.list()))
                + (problem == null ? "" : "; settings not read: " + problem);
    }

    static String summary(List<AttachmentStatus> all) {
        StringBuilder text = new StringBuilder();
        for (State state : State.values()) {
            long count = all.stream().filter(each -> each.state() == state).count();
            if (count > 0) {
                text.append(text.isEmpty() ? "" : ", ")
                        .append(count)
                        .append(' ')
                        .append(state.name().toLowerCase(Locale.ROOT).replace('_', ' '));
            }
        }
        return text.isEmpty() ? "no disks" : "disks: " + text;
    }

    @Deactivate
    public synchronized void stop() {
        if (looks != null) {
            looks.shutdownNow();
        }
        manager.stopping();
    }
}
