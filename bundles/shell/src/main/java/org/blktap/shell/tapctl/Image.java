package org.blktap.shell.tapctl;

import java.util.Map;
import picocli.CommandLine.Option;

/** The options of {@code open} and {@code create}: those of tap-ctl, of which some are refused. */
final class Image {
    @Option(
            names = "-a",
            paramLabel = "TYPE:PATH",
            required = true,
            description = "The image; any type that blktap drivers lists.")
    String arguments;

    @Option(names = "-R", description = "Read-only.")
    boolean readOnly;

    @Option(names = "-t", paramLabel = "SECONDS", description = "How long to wait for it to be open.")
    int timeout;

    @Option(
            names = "--wait-for-lock",
            paramLabel = "SECONDS",
            description = "An image that others have open is waited for, so long at most: a VM migrates here. The verb"
                    + " returns at once. An addition to tap-ctl's options.")
    String waitForLock;

    @Option(names = "-D", description = "No O_DIRECT; without effect, the engine decides.")
    boolean noDirect;

    @Option(names = "-e", paramLabel = "MINOR", description = "Refused: shared parents.")
    String parent;

    @Option(names = "-r", description = "Refused: the read cache in the leaf.")
    boolean readCache;

    @Option(names = "-2", paramLabel = "TYPE:PATH", description = "A second image, which gets all writes, too.")
    String secondary;

    @Option(names = "-s", description = "Refused: going over to the second image.")
    boolean standby;

    @Option(names = "-C", paramLabel = "PATH", description = "Refused: the log of changed blocks.")
    String log;

    /** @throws Refused EOPNOTSUPP: an option that is ignored would be believed to have done something */
    void check() throws Refused {
        refuse(parent != null, "-e", "every image has its own chain");
        refuse(readCache, "-r", "there is no read cache in a leaf");
        refuse(standby, "-s", "a second image is never used in place of the first");
        refuse(log != null, "-C", "there is no log of changed blocks");
    }

    /** The options of the attach. */
    Map<String, String> options() {
        return waitForLock == null ? Map.of() : Map.of("wait-for-lock", waitForLock);
    }

    static void refuse(boolean given, String option, String why) throws Refused {
        if (given) {
            throw new Refused(TapErrno.EOPNOTSUPP, "option " + option + " is not supported: " + why);
        }
    }
}
