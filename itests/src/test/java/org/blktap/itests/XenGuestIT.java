package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Real domains of a real Xen: {@code itests/xen/suite}, which runs in dom0 of the lab, in one boot for all of its tests. The consoles of the hypervisor, of dom0
 * and of all guests, and the daemon's log, are in {@code itests/target/xen}.
 */
class XenGuestIT {
    /** Far more than it takes: this machine stalls at times. */
    private static final long LIMIT_SECONDS = 2100;
    private static final Path ROOT = Path.of(System.getProperty("project.root"));

    private static Process lab;
    private static List<String> lines;
    private static int status;

    @BeforeAll
    static void runTheSuite() throws Exception {
        Path logs = Files.createDirectories(Path.of("target", "xen"));
        File out = logs.resolve("suite.log").toFile();
        lab = new ProcessBuilder(ROOT + "/itests/xen/lab", "--logs", logs.toString(), "--timeout", Long.toString(LIMIT_SECONDS),
                ROOT + "/itests/xen/suite").redirectInput(new File("/dev/null")).redirectOutput(out).redirectErrorStream(true).start();
        // the lab keeps its own limit, and needs a moment to end what it has started
        assertTrue(lab.waitFor(LIMIT_SECONDS + 120, TimeUnit.SECONDS), "the lab has not ended");
        status = lab.exitValue();
        lines = Files.readAllLines(out.toPath());
        System.out.println(String.join("\n", lines));
    }

    @AfterAll
    static void endTheLab() throws Exception {
        if (lab != null && lab.isAlive()) {
            // it ends its emulator when it is asked
            lab.destroy();
            lab.waitFor(60, TimeUnit.SECONDS);
        }
    }

    /** The names of the suite's tests, as the suite itself tells them. */
    private static List<String> names() throws Exception {
        Run listed = Run.of(ROOT + "/itests/xen/suite", "--list").ok();
        return listed.out().lines().toList();
    }

    @TestFactory
    Stream<DynamicTest> suite() throws Exception {
        List<String> names = names();
        assertFalse(names.isEmpty());
        List<DynamicTest> tests = new ArrayList<>();
        for (String name : names) {
            tests.add(dynamicTest(name, () -> assertTrue(lines.stream().anyMatch(line -> line.startsWith("ok " + name + " ")),
                    () -> name + " did not pass; the lab ended with " + status + ":\n" + String.join("\n", lines))));
        }
        return tests.stream();
    }
}
