package org.blktap.api.settings;

import java.nio.file.Path;

/**
 * The directories of a daemon; a service while it runs. They come from environment variables, because the programs in
 * {@code bin/} need them before there is a daemon, and do not change.
 *
 * @param home the installation
 * @param run sockets, {@code BLKTAP_RUN_DIR}
 * @param data the daemon's data, {@code BLKTAP_DATA_DIR}
 * @param deploy the directory that is watched for jars, {@code BLKTAP_DEPLOY_DIR}
 * @param control minors and sockets of {@code tap-ctl}, {@code BLKTAP_CONTROL_DIR}
 */
public record Directories(Path home, Path run, Path data, Path deploy, Path control) {
    /** The default directory of the daemon's sockets. */
    public static final Path DEFAULT_RUN = Path.of("/run/blktap");
    /** The directory in which clients of tapdisk look for it. */
    public static final Path DEFAULT_CONTROL = Path.of("/run/blktap-control");

    /** Returns the default directories of an installation. */
    public static Directories of(Path home) {
        return new Directories(home, DEFAULT_RUN, home.resolve("data"), home.resolve("deploy"), DEFAULT_CONTROL);
    }
}
