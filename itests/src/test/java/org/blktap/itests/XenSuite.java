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
import org.junit.jupiter.api.DynamicTest;

/** One run of {@code itests/xen/suite} in dom0 of the lab, in one boot for all of its tests. */
final class XenSuite {
    /** Far more than it takes: this machine stalls at times. */
    private static final long LIMIT_SECONDS = 2700;

    private static final Path ROOT = Path.of(System.getProperty("project.root"));

    private final List<String> suite = new ArrayList<>(List.of(ROOT + "/itests/xen/suite"));
    private final List<String> lines;
    private final int status;

    /**
     * Runs the suite to its end.
     *
     * @param name of the directory in {@code itests/target} for the consoles and logs
     * @param options of the lab
     * @param arguments of the suite
     */
    XenSuite(String name, List<String> options, List<String> arguments) throws Exception {
        suite.addAll(arguments);
        Path logs = Files.createDirectories(Path.of("target", name));
        File out = logs.resolve("suite.log").toFile();
        // other tests run beside it, and Xen's tools have time limits of their own; nice goes on without the permission
        List<String> command = new ArrayList<>(List.of(
                "nice",
                "-n",
                "-15",
                ROOT + "/itests/xen/lab",
                "--logs",
                logs.toString(),
                "--timeout",
                Long.toString(LIMIT_SECONDS)));
        command.addAll(options);
        command.addAll(suite);
        Process lab = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(out)
                .redirectErrorStream(true)
                .start();
        try {
            // the lab keeps its own limit, and needs a moment to end what it has started; before it, it may make a root
            assertTrue(lab.waitFor(LIMIT_SECONDS + 1200, TimeUnit.SECONDS), "the lab has not ended");
        } finally {
            // it ends its emulator when it is asked
            lab.destroy();
            lab.waitFor(60, TimeUnit.SECONDS);
        }
        status = lab.exitValue();
        lines = Files.readAllLines(out.toPath());
        System.out.println(String.join("\n", lines));
    }

    /** The suite's tests by the names that it lists itself, each with how it went. */
    Stream<DynamicTest> tests() throws Exception {
        List<String> list = new ArrayList<>(suite);
        list.add("--list");
        List<String> names =
                Run.of(list.toArray(String[]::new)).ok().out().lines().toList();
        assertFalse(names.isEmpty());
        return names.stream()
                .map(name -> dynamicTest(
                        name,
                        () -> assertTrue(
                                lines.stream().anyMatch(line -> line.startsWith("ok " + name + " ")),
                                () -> name + " did not pass; the lab ended with " + status + ":\n"
                                        + String.join("\n", lines))));
    }
}
