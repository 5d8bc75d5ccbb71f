package org.blktap.api.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileNamesTest {
    @TempDir
    Path folder;

    /** Latin 1, a bare continuation, a cut character, an encoded surrogate, an overlong slash, more than U+10FFFF. */
    private static final byte[][] NAMES = {
        latin("caf\u00e9.img"),
        latin("\u0080"),
        latin("a\u00e2\u0082.b"),
        latin("\u00ed\u00a0\u0080"),
        latin("\u00c0\u00af"),
        latin("\u00f5\u0080\u0080\u0080"),
        latin("\u00ff\u00fe"),
        latin("100%\u00e9 a:b?#"),
        "caf\u00e9 \ud83d\ude00 \ufffd".getBytes(StandardCharsets.UTF_8),
        latin("\u00ef\u00bf\u00bd\u00ff")
    };

    private static byte[] latin(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    @Test
    void everySingleByteComesBack() {
        for (int b = 0; b < 256; b++) {
            byte[] bytes = {(byte) b};
            String text = FileNames.text(bytes);
            assertEquals(1, text.length());
            assertEquals(b < 0x80 ? b : 0xdc00 + b, text.charAt(0));
            assertArrayEquals(bytes, FileNames.bytes(text));
        }
    }

    @Test
    void everyByteInAPathComesBack() {
        for (int b = 1; b < 256; b++) {
            if (b != '/') {
                byte[] name = {'a', (byte) b, 'z'};
                Path path = FileNames.path(FileNames.text(name));
                assertArrayEquals(name, FileNames.bytes(path));
                assertFalse(path.isAbsolute());
                assertEquals(FileNames.text(name), FileNames.text(path));
            }
        }
    }

    @Test
    void randomBytesComeBack() {
        Random random = new Random(5);
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = new byte[random.nextInt(12)];
            for (int j = 0; j < bytes.length; j++) {
                bytes[j] = (byte)
                        (random.nextBoolean()
                                ? random.nextInt(256)
                                : "\u00e2\u0082\u00ac\u00f0\u009f\u0098\u0080a".charAt(random.nextInt(8)));
            }
            assertArrayEquals(bytes, FileNames.bytes(FileNames.text(bytes)), Arrays.toString(bytes));
            ByteBuffer part = ByteBuffer.allocate(bytes.length + 2)
                    .put((byte) 'x')
                    .put(bytes)
                    .flip()
                    .position(1);
            assertEquals(FileNames.text(bytes), FileNames.text(part));
            assertEquals(1, part.position());
        }
    }

    @Test
    void utf8StaysAsItIs() {
        for (String text : new String[] {"", "a", "caf\u00e9", "\ud83d\ude00", "\ufffd", "/vm/\u4e2d.img"}) {
            assertEquals(text, FileNames.text(text.getBytes(StandardCharsets.UTF_8)));
            assertArrayEquals(text.getBytes(StandardCharsets.UTF_8), FileNames.bytes(text));
            assertEquals(Path.of(text), FileNames.path(text));
            assertEquals(text, FileNames.text(Path.of(text)));
            assertEquals(text, FileNames.escaped(text));
            assertFalse(FileNames.isRaw(text));
        }
    }

    @Test
    void aFileHasTheBytes() throws Exception {
        for (byte[] name : NAMES) {
            Path made = folder.resolve(FileNames.path(FileNames.text(name)));
            Files.writeString(made, "x");
            try (var files = Files.list(folder)) {
                Path found = files.findFirst().orElseThrow();
                assertArrayEquals(name, FileNames.bytes(found.getFileName()));
                assertEquals(found, FileNames.path(FileNames.text(found)));
            }
            Files.delete(made);
        }
    }

    @Test
    void directoriesAndDotsStay() throws Exception {
        String raw = "d\udce9";
        Files.createDirectory(folder.resolve(FileNames.path(raw)));
        for (String text : new String[] {"/" + raw, raw, "../" + raw + "/..", "./" + raw, folder + "/" + raw}) {
            assertEquals(text, FileNames.text(FileNames.path(text)));
            assertEquals(text.startsWith("/"), FileNames.path(text).isAbsolute());
        }
        assertEquals("/a/" + raw, FileNames.text(FileNames.path("//a///" + raw + "/")));
        assertArrayEquals(new byte[] {'/'}, FileNames.bytes(Path.of("/")));
        assertArrayEquals(new byte[0], FileNames.bytes(Path.of("")));
    }

    @Test
    void whatIsNoNameIsRefused() {
        assertThrows(InvalidPathException.class, () -> FileNames.path("a\0b"));
        assertThrows(InvalidPathException.class, () -> FileNames.path("\udce9\0"));
        assertThrows(InvalidPathException.class, () -> FileNames.path("a\ud800"));
        assertThrows(InvalidPathException.class, () -> FileNames.bytes("\udc41"));
        assertTrue(FileNames.isRaw("\ud800"));
    }

    @Test
    void escapesCanBeRead() {
        assertEquals("/vm/caf\\udce9 \ud83d\ude00", FileNames.escaped("/vm/caf\udce9 \ud83d\ude00"));
    }
}
