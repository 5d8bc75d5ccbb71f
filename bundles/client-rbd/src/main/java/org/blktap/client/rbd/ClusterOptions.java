package org.blktap.client.rbd;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/**
 * How a cluster is reached, by the options of a disk and the settings of the bundle.
 *
 * @param conf a configuration file, or empty for those that Ceph's programs read
 * @param user the user's name without {@code client.}
 * @param keyring a keyring file, or empty for those that the configuration names
 * @param connectSeconds time limit for answers of monitors
 */
record ClusterOptions(String conf, String user, String keyring, int connectSeconds) {
    private static final int MOST_SECONDS = 3600;

    /** @throws DiskException BAD_OPTION */
    static ClusterOptions of(Options options, RbdSettings settings) throws DiskException {
        String user = options.text("user", settings.user());
        if (user.isEmpty() || user.startsWith("client.")) {
            throw Options.bad("user", user, "the name of a user without client., such as blktap");
        }
        return new ClusterOptions(
                options.text("conf", settings.conf()),
                user,
                options.text("keyring", settings.keyring()),
                options.number("connect-seconds", settings.connect_seconds(), 1, MOST_SECONDS));
    }
}
