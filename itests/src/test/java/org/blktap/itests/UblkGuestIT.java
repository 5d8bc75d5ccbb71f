package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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

    /** As often as a kernel that dies sometimes is tried. */
    private static final int RUNS = 3;

    /**
     * Whether the kernel has ended by a fault of its own. Linux 6.12.95 dereferences NULL in io_fallback_tw, now and
     * then, when a process that has commands in an io_uring is killed; what a process does must never have that effect.
     */
    private static boolean kernelDied() throws IOException {
        return Files.readString(Path.of("target/ublk/console"), StandardCharsets.ISO_8859_1)
                .contains("RIP: 0010:io_fallback_tw");
    }

    @Test
    void suite() throws Exception {
        List<String> suite = new ArrayList<>(List.of(Lab.script("ublk", "suite")));
        if (System.getenv("BLKTAP_UBLK") != null) {
            suite.add("--long");
        }
        Lab lab = Lab.run("ublk", "ublk", 0, LIMIT_SECONDS, suite);
        for (int run = 1; run < RUNS && lab.status() != 0 && kernelDied(); run++) {
            lab = Lab.run("ublk", "ublk", 0, LIMIT_SECONDS, suite);
        }
        assumeFalse(lab.status() != 0 && kernelDied(), "the kernel dies (io_fallback_tw) when the daemon is killed");
        assertEquals(0, lab.status(), lab::toString);
        assertTrue(lab.lines().stream().anyMatch(line -> line.contains("tests of ublk passed")), lab::toString);
    }
}
