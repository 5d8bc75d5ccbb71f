package org.blktap.api.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.nio.charset.StandardCharsets;
import org.blktap.api.disk.DiskException.Reason;
import org.junit.jupiter.api.Test;

class PrintableTest {
    @Test
    void whatCanBeShownStays() {
        for (String text : new String[] {"", "/vm/a.img", "caf\u00e9 \ud83d\ude00 \\x41 \"'", "\ufffd"}) {
            assertSame(text, Printable.of(text));
        }
    }

    @Test
    void whatATerminalWouldObeyIsEscaped() {
        assertEquals("\\x1b[2J\\x07\\x7f\\x9b\\x00", Printable.of("\u001b[2J\u0007\u007f\u009b\0"));
        assertEquals("a\\n\\r\\tb\\u2028\\u202e\\ufeff", Printable.of("a\n\r\tb\u2028\u202e\ufeff"));
    }

    @Test
    void bytesThatAreNotUtf8AreEscaped() {
        assertEquals("QFI\\xfb", Printable.of(FileNames.text("QFI\u00fb".getBytes(StandardCharsets.ISO_8859_1))));
        assertEquals("\\ud800a", Printable.of("\ud800a"));
    }

    @Test
    void longTextIsCut() {
        assertEquals("\\x1bb...", Printable.of("\u001bbc", 2));
        assertEquals("\\x1bbc", Printable.of("\u001bbc", 3));
        assertEquals("a\\ud83d...", Printable.of("a\ud83d\ude00b", 2));
    }

    @Test
    void messagesOfFailuresAreOneLineThatCanBeShown() {
        DiskException failure = new DiskException(Reason.IO, "/vm/\u001b]0;x\u0007\udcfb\nb: gone");
        assertEquals("/vm/\\x1b]0;x\\x07\\xfb\\nb: gone", failure.getMessage());
        assertEquals(
                "/a: x at offset 0: found \\x1b, expected b",
                DiskException.corrupt("/a", "x", 0, "\u001b", "b").getMessage());
    }
}
