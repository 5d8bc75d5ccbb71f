package org.blktap.core;

import java.time.Duration;

/**
 * TimeLimits of waits for attachments.
 *
 * @param drain how long a command waits for requests at the disk to end
 * @param forced how long a forced detach, a stop or a replacement waits for this before it cuts VMs off
 * @param unbind how long the unbind method of a service waits for the attachments that use it
 * @param stop how long a stop waits for disks
 * @param stopSaving how long a stop waits for disks that save their contents
 */
record TimeLimits(Duration drain, Duration forced, Duration unbind, Duration stop, Duration stopSaving) {
    static TimeLimits of(CoreSettings settings) {
        return new TimeLimits(
                Duration.ofSeconds(settings.drain_seconds()),
                Duration.ofSeconds(settings.forced_seconds()),
                Duration.ofSeconds(settings.unbind_seconds()),
                Duration.ofSeconds(settings.stop_seconds()),
                Duration.ofSeconds(settings.stop_saving_seconds()));
    }
}
