package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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

    @Test
    void suite() throws Exception {
        List<String> suite = new ArrayList<>(List.of(Lab.script("ublk", "suite")));
        if (System.getenv("BLKTAP_UBLK") != null) {
            suite.add("--long");
        }
        Lab lab = Lab.run("ublk", "ublk", 0, LIMIT_SECONDS, suite);
        assertEquals(0, lab.status(), lab::toString);
        assertTrue(lab.lines().stream().anyMatch(line -> line.contains("tests of ublk passed")), lab::toString);
    }
}
