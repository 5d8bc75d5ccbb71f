package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * One run of a script in a lab, a machine that QEMU emulates, to the script's end.
 *
 * @param status of the lab, which is the script's unless the lab itself failed
 * @param lines the script's output
 */
record Lab(int status, List<String> lines) {
    private static final String SCRIPTS = System.getProperty("project.root") + "/itests/";

    /** A lab may download a kernel, or make a root, before its own limit begins. */
    private static final long PREPARATION_SECONDS = 1200;

    /**
     * Runs a lab.
     *
     * @param kind the directory in {@code itests} that has the lab
     * @param name of the directory in {@code itests/target} for the console, the logs and the output
     * @param nice added to the niceness of its processes; what is below zero has no effect without the permission
     * @param limitSeconds for the script
     * @param arguments options of the lab, the script and its arguments
     */
    static Lab run(String kind, String name, int nice, long limitSeconds, List<String> arguments) throws Exception {
        Path logs = Files.createDirectories(Path.of("target", name));
        File out = logs.resolve("suite.log").toFile();
        List<String> command = new ArrayList<>(List.of(
                "nice",
                "-n",
                Integer.toString(nice),
                script(kind, "lab"),
                "--logs",
                logs.toString(),
                "--timeout",
                Long.toString(limitSeconds)));
        command.addAll(arguments);
        Process lab = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(out)
                .redirectErrorStream(true)
                .start();
        try {
            assertTrue(lab.waitFor(limitSeconds + PREPARATION_SECONDS, TimeUnit.SECONDS), "the lab has not ended");
        } finally {
            // it ends its emulator when it is asked
            lab.destroy();
            lab.waitFor(60, TimeUnit.SECONDS);
        }
        Lab run = new Lab(lab.exitValue(), Files.readAllLines(out.toPath()));
        System.out.println(run);
        return run;
    }

    /** The path of a script beside a lab. */
    static String script(String kind, String script) {
        return SCRIPTS + kind + "/" + script;
    }

    @Override
    public String toString() {
        return "the lab ended with " + status + ":\n" + String.join("\n", lines);
    }
}
