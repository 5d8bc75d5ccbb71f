package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RawOutputTest {
    private final List<String> records = new ArrayList<>();
    private final PrintStream out =
            new PrintStream(new RawOutput((level, text) -> records.add(level + " " + text)), true);

    @Test
    void ofAComponentsTraceTheMessagesAndTheFirstFramesAreKept() {
        out.println("ERROR : bundle org.blktap.x:3.0.0 (7)[X(2)] : The activate method has thrown an exception");
        out.println("java.lang.reflect.InvocationTargetException");
        out.println("\tat a.B.c(B.java:1)");
        out.println("\tat a.B.d(B.java:2)");
        out.println("Caused by: java.lang.ArithmeticException: long overflow");
        out.println("\tat a.B.e(B.java:3)");
        out.println("\t... 9 more");
        out.println("something else");
        assertEquals(
                List.of(
                        "ERROR bundle org.blktap.x:3.0.0 (7)[X(2)] : The activate method has thrown an exception",
                        "ERROR java.lang.reflect.InvocationTargetException",
                        "ERROR \tat a.B.c(B.java:1)",
                        "ERROR Caused by: java.lang.ArithmeticException: long overflow",
                        "ERROR \tat a.B.e(B.java:3)",
                        "INFO something else"),
                records);
    }

    @Test
    void whatABundlePrintsStaysWhole() {
        out.println("hello");
        out.println();
        new IllegalStateException("x").printStackTrace(out);
        assertEquals("INFO hello", records.get(0));
        assertEquals("INFO java.lang.IllegalStateException: x", records.get(1));
        assertEquals(new IllegalStateException().getStackTrace().length, records.size() - 2);
    }

    @Test
    void aLineWithoutEndTakesBoundedMemory() {
        for (int i = 0; i < 1000; i++) {
            out.print("0123456789".repeat(10));
        }
        out.println();
        assertEquals("INFO ".length() + (8 << 10), records.get(0).length());
    }
}
