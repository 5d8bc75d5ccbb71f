package org.blktap.shell.server;

import java.lang.System.Logger.Level;
import org.blktap.api.disk.DiskException;
import org.blktap.config.ConfiguredSettings;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** Reads the file of settings again on SIGHUP, for which the launcher calls it. */
@Component(service = Runnable.class, property = "blktap.signal=HUP")
public final class SettingsReload implements Runnable {
    private final ConfiguredSettings settings;
    private final ServiceReport report;

    @Activate
    public SettingsReload(@Reference ConfiguredSettings settings, @Reference ServiceReport report) {
        this.settings = settings;
        this.report = report;
    }

    @Override
    public synchronized void run() {
        report.reloading();
        String problem = null;
        try {
            settings.reload();
        } catch (DiskException e) {
            problem = e.getMessage();
            System.getLogger("org.blktap.shell").log(Level.ERROR, "the settings stay as they are: " + problem);
        } finally {
            report.reloaded(problem);
        }
    }
}
