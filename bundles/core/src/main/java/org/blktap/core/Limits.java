package org.blktap.core;

import java.time.Duration;
import org.blktap.api.settings.Setting;

/**
 * How long attachments are waited for; each by a system property, in seconds.
 *
 * @param drain how long a command waits for requests at the disk to end ({@code blktap.drain.seconds}, 60)
 * @param forced how long a forced detach, a stop or a replacement waits for the same before it cuts off ({@code blktap.forced.seconds}, 5)
 * @param unbind how long the unbind method of a service waits for the attachments that use it ({@code blktap.unbind.seconds}, 10)
 * @param stop how long a stop waits for disks ({@code blktap.stop.seconds}, 15)
 * @param stopSaving the same for those that save their contents ({@code blktap.stop.saving.seconds}, 80: less than the 90 s that systemd gives)
 */
record Limits(Duration drain, Duration forced, Duration unbind, Duration stop, Duration stopSaving) {
    private static final long MOST_SECONDS = 86_400;

    static Limits fromProperties() {
        return new Limits(seconds("drain", 60), seconds("forced", 5), seconds("unbind", 10), seconds("stop", 15), seconds("stop.saving", 80));
    }

    private static Duration seconds(String name, long otherwise) {
        return Duration.ofSeconds(Setting.number("blktap." + name + ".seconds", otherwise, 0, MOST_SECONDS));
    }
}
