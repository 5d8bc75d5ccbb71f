package org.blktap.api.health;

import org.osgi.annotation.versioning.ProviderType;

/** Asks all health checks of the daemon: the service behind the verb {@code health}. */
@ProviderType
public interface Health {
    /**
     * Runs all checks side by side. Blocks for at most a few seconds: a check that does not answer in time is reported
     * as such. Any thread but a loop.
     */
    HealthReport check();
}
