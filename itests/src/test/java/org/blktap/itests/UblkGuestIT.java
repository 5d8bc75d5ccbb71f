package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * Block devices of the host on a real kernel, in a machine that QEMU emulates: one boot of {@code itests/ublk/lab} for
 * all tests of {@code itests/ublk/suite}. With {@code BLKTAP_UBLK=long}, as of {@code ./test --ublk}, the daemon is
 * killed more often, and the limits of a disk's own process are tried, since that kernel has control groups of version
 * 2. The console and logs are in {@code itests/target/ublk}.
 */
class UblkGuestIT {
    /** Far more than it takes: this machine stalls at times. */
    private static final long LIMIT_SECONDS = 1800;

    @Test
    void suite() throws Exception {
        String scripts = System.getProperty("project.root") + "/itests/ublk/";
        Path logs = Files.createDirectories(Path.of("target", "ublk"));
        File out = logs.resolve("suite.log").toFile();
        List<String> command = new ArrayList<>(List.of(
                scripts + "lab",
                "--logs",
                logs.toString(),
                "--timeout",
                Long.toString(LIMIT_SECONDS),
                scripts + "suite"));
        if (System.getenv("BLKTAP_UBLK") != null) {
            command.add("--long");
        }
        Process lab = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(out)
                .redirectErrorStream(true)
                .start();
        try {
            // the lab keeps its own limit; before it, it may download a kernel
            assertTrue(lab.waitFor(LIMIT_SECONDS + 600, TimeUnit.SECONDS), "the lab has not ended");
        } finally {
            // it ends its emulator when it is asked
            lab.destroy();
            lab.waitFor(60, TimeUnit.SECONDS);
        }
        String lines = Files.readString(out.toPath());
        System.out.println(lines);
        assertTrue(lab.exitValue() == 0 && lines.contains("tests of ublk passed"), lines);
    }
}
