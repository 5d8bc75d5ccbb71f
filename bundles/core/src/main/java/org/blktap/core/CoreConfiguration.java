package org.blktap.core;

import java.util.List;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;

/** The bundle's current settings. Code that needs one asks for it at each use. Any thread. */
@Component(service = CoreConfiguration.class, configurationPid = CoreSettings.PID)
public final class CoreConfiguration {
    private volatile TimeLimits limits;
    private volatile PathPolicy paths;

    @Activate
    public CoreConfiguration(CoreSettings settings) {
        configure(settings);
    }

    @Modified
    public void configure(CoreSettings settings) {
        limits = TimeLimits.of(settings);
        paths = PathPolicy.of(List.of(settings.image_roots()));
    }

    TimeLimits limits() {
        return limits;
    }

    PathPolicy paths() {
        return paths;
    }
}
