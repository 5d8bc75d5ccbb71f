package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A program that was run to its end.
 *
 * @param status its exit status, or 124 if it was ended for taking too long
 */
record Run(List<String> command, int status, String out, String err) {
    /** This machine stalls at times: a limit is there for what hangs, not for what is slow. */
    static final long LIMIT_SECONDS = 300;

    /**
     * What qemu-img says when it makes a LUKS volume and the kernel has accounted none of its CPU time to its thread
     * (its crypto/pbkdf.c): an accident of the clock, not of what is tested.
     */
    private static final String ACCIDENT = "Unable to get accurate CPU usage";

    private static final int ATTEMPTS = 20;

    static Run of(String... command) throws IOException, InterruptedException {
        return of(Map.of(), command);
    }

    static Run of(Map<String, String> environment, String... command) throws IOException, InterruptedException {
        Run run = once(environment, command);
        for (int attempt = 1; attempt < ATTEMPTS && run.err.contains(ACCIDENT); attempt++) {
            run = once(environment, command);
        }
        return run;
    }

    private static Run once(Map<String, String> environment, String... command)
            throws IOException, InterruptedException {
        Path out = Files.createTempFile("itest", ".out");
        Path err = Files.createTempFile("itest", ".err");
        try {
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectInput(Path.of("/dev/null").toFile())
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile());
            builder.environment().putAll(environment);
            Process process = builder.start();
            boolean ended = process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
            if (!ended) {
                // what it has started, too: a script's emulator goes on without it
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly().waitFor();
            }
            return new Run(List.of(command), ended ? process.exitValue() : 124, text(out), text(err));
        } finally {
            Files.delete(out);
            Files.delete(err);
        }
    }

    /** Sends a signal. A shell does it, since a small Debian has no program for it. */
    static void signal(String name, long process) throws IOException, InterruptedException {
        of("sh", "-c", "kill -" + name + " " + process).ok();
    }

    /** What is no UTF-8 is replaced. */
    private static String text(Path file) throws IOException {
        return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    }

    /** Fails the test, with all that was printed, unless the program succeeded. */
    Run ok() {
        assertEquals(0, status, this::toString);
        return this;
    }

    @Override
    public String toString() {
        return "status " + status + " of " + String.join(" ", command) + "\n" + out + err;
    }
}
