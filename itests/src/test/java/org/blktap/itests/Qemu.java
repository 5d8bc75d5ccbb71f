package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.ArrayList;
import java.util.List;

/** What QEMU's programs are asked for. */
final class Qemu {
    private Qemu() {}

    /** Runs commands of qemu-io, which reads with a pattern check. */
    static void io(String format, String target, String... commands) throws Exception {
        List<String> all = new ArrayList<>(List.of("qemu-io", "-f", format, target));
        for (String command : commands) {
            all.addAll(List.of("-c", command));
        }
        Run run = Run.of(all.toArray(String[]::new)).ok();
        assertFalse(run.out().contains("Pattern verification failed"), run::toString);
    }

    /** Has two images, by paths or URIs, compared. */
    static void equal(String format, Object one, String otherFormat, Object other) throws Exception {
        Run.of("qemu-img", "compare", "-f", format, "-F", otherFormat, one.toString(), other.toString())
                .ok();
    }
}
