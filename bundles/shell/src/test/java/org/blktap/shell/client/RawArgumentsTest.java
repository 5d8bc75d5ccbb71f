package org.blktap.shell.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class RawArgumentsTest {
    private static String[] decoded(String commandLine, String... given) {
        return RawArguments.decoded(given, commandLine.getBytes(StandardCharsets.ISO_8859_1));
    }

    @Test
    void theLastOnesAreTheirs() {
        assertArrayEquals(
                new String[] {"info", "", "caf\udce9", "plain"},
                decoded("java\0-cp\0x\0Main\0info\0\0caf\u00e9\0plain\0", "info", "", "caf\ufffd", "plain"));
        // U+FFFD itself
        assertArrayEquals(new String[] {"\ufffd"}, decoded("java\0Main\0\u00ef\u00bf\u00bd\0", "\ufffd"));
    }

    @Test
    void aCommandLineThatIsCutChangesNothing() {
        assertArrayEquals(new String[] {"a\ufffd", "b"}, decoded("b\0", "a\ufffd", "b"));
        assertArrayEquals(new String[] {"a\ufffd"}, decoded("", "a\ufffd"));
    }
}
