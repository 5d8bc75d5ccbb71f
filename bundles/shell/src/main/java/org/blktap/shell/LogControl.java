package org.blktap.shell;

import java.util.function.IntConsumer;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;

/** Sets the level of the log. The handlers belong to the launcher, since they log from the first line on. */
@Component(
        service = {},
        immediate = true,
        configurationPid = LogSettings.PID)
public final class LogControl {
    private static final String DEFAULT_LEVEL = "INFO";

    /** The parent of the daemon's own loggers; held, since the JDK holds loggers weakly, with their levels. */
    private final Logger ours = Logger.getLogger("org.blktap");

    private final IntConsumer repeats;

    /** @param repeats the launcher's limit of similar records; null if another program has launched the framework */
    @Activate
    public LogControl(
            LogSettings settings,
            @Reference(cardinality = ReferenceCardinality.OPTIONAL, target = "(blktap.launcher=repeats)")
                    IntConsumer repeats) {
        this.repeats = repeats;
        configure(settings);
    }

    @Modified
    public void configure(LogSettings settings) {
        // INFO is the level of conf/logging.properties for all
        ours.setLevel(settings.log_level().equals(DEFAULT_LEVEL) ? null : level(settings.log_level()));
        if (repeats != null) {
            repeats.accept(settings.log_repeats());
        }
    }

    private static Level level(String name) {
        return switch (name) {
            case "ERROR" -> Level.SEVERE;
            case "WARNING" -> Level.WARNING;
            case "DEBUG" -> Level.FINE;
            default -> Level.INFO;
        };
    }

    @Deactivate
    public void stop() {
        ours.setLevel(null);
    }
}
