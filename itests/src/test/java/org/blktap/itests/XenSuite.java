package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/** One run of {@code itests/xen/suite} in dom0 of the lab, in one boot for all of its tests. */
final class XenSuite {
    /** Far more than it takes: this machine stalls at times. */
    private static final long LIMIT_SECONDS = 2700;
    /** Other tests run beside it, and Xen's tools have time limits of their own. */
    private static final int NICE = -15;

    private final List<String> suite = new ArrayList<>(List.of(Lab.script("xen", "suite")));
    private final Lab lab;

    /**
     * Runs the suite to its end.
     *
     * @param name of the directory in {@code itests/target} for the consoles and logs
     * @param options of the lab
     * @param arguments of the suite
     */
    XenSuite(String name, List<String> options, List<String> arguments) throws Exception {
        suite.addAll(arguments);
        List<String> all = new ArrayList<>(options);
        all.addAll(suite);
        lab = Lab.run("xen", name, NICE, LIMIT_SECONDS, all);
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
                                lab.lines().stream().anyMatch(line -> line.startsWith("ok " + name + " ")),
                                () -> name + " did not pass; " + lab)));
    }
}
