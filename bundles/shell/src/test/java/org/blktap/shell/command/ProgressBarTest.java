package org.blktap.shell.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.blktap.shell.Fakes;
import org.junit.jupiter.api.Test;

class ProgressBarTest {
    private static final long MIB = 1 << 20;

    private final StringWriter shown = new StringWriter();
    private long seconds;
    private boolean interrupted;

    private ProgressBar bar(boolean terminal) {
        Fakes core = new Fakes();
        Surroundings here = new Surroundings(() -> core, () -> core, Path.of("/"), terminal);
        PrintWriter err = new PrintWriter(shown);
        return new ProgressBar(
                new VerbCall(null, here, new PrintWriter(new StringWriter()), err, () -> interrupted),
                () -> seconds * 1_000_000_000);
    }

    private static String line(String filled, String rest, String text) {
        return "[" + filled.repeat(20) + rest.repeat(20) + "]" + text;
    }

    @Test
    void oneLineIsRewrittenAndEnded() {
        try (ProgressBar bar = bar(true)) {
            assertTrue(bar.at(0, 100 * MIB));
            seconds = 5;
            assertTrue(bar.at(50 * MIB, 100 * MIB));
            seconds = 10;
            assertTrue(bar.at(100 * MIB, 100 * MIB));
        }
        assertEquals(
                "\r" + line("-", "-", "   0%  0 B of 100.0 MiB, 0 B/s")
                        + "\r" + line("#", "-", "  50%  50.0 MiB of 100.0 MiB, 10.0 MiB/s, 0:05 left")
                        // nothing of the longer line stays
                        + "\r" + line("#", "#", " 100%  100.0 MiB of 100.0 MiB, 10.0 MiB/s") + " ".repeat(10)
                        + System.lineSeparator(),
                shown.toString());
    }

    @Test
    void whatWasDoneBeforeTheCallIsNoSpeed() {
        try (ProgressBar bar = bar(true)) {
            bar.at(100 * MIB, 16_000 * MIB);
            seconds = 4;
            bar.at(104 * MIB, 16_000 * MIB);
        }
        assertTrue(shown.toString().contains("104.0 MiB of 15.6 GiB, 1.0 MiB/s, 4:24:56 left"), shown.toString());
    }

    @Test
    void aRemarkHasALineOfItsOwn() {
        try (ProgressBar bar = bar(true)) {
            bar.at(0, 0);
            bar.note("paused");
        }
        assertEquals(
                "\r" + line("#", "#", " 100%  0 B of 0 B, 0 B/s") + System.lineSeparator() + "paused"
                        + System.lineSeparator(),
                shown.toString());
    }

    @Test
    void elsewhereThanAtATerminalOnlyRemarksAreShown() {
        try (ProgressBar bar = bar(false)) {
            assertTrue(bar.at(1, 2));
            bar.note("paused");
        }
        assertEquals("paused" + System.lineSeparator(), shown.toString());
    }

    @Test
    void anInterruptedCallIsToEnd() {
        try (ProgressBar bar = bar(true)) {
            interrupted = true;
            assertFalse(bar.at(1, 2));
        }
    }
}
