package org.blktap.filter.luks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.testkit.CountedMemory;
import org.blktap.linux.Libc;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Where a key comes from, and that it goes nowhere else. */
@Timeout(300)
class KeyFileTest {
    private static final String KEY = "sesame\n";

    @TempDir
    Path directory;

    private final CountedMemory memory = new CountedMemory(new NativeMemoryService());

    @AfterEach
    void nothingIsLeft() {
        assertEquals(0, memory.inUse(), "native memory was left behind");
    }

    @Test
    void allBytesOfAFileAreTheKey() throws Exception {
        Path file = Files.writeString(directory.resolve("k"), KEY);
        try (Secret key = KeyFile.read(file, memory)) {
            assertEquals(KEY, text(key));
            assertFalse(key.toString().contains("sesame"), key.toString());
        }
    }

    @Test
    void aDescriptorOfAFileIsReadFromItsBeginningAgain() throws Exception {
        Path file = Files.writeString(directory.resolve("k"), KEY);
        int descriptor = Libc.open(file.toString(), Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
        for (int i = 0; i < 2; i++) {
            try (Secret key = KeyFile.read(descriptor, memory)) {
                assertEquals(KEY, text(key));
            }
        }
        Libc.close(descriptor);
        assertEquals(Reason.IO, refused(() -> KeyFile.read(descriptor, memory)));
    }

    @Test
    void aPipeServesOnce() throws Exception {
        try (NativeBuffer pipe = memory.allocate(4096)) {
            Libc.pipe2(pipe.address(), Libc.O_CLOEXEC);
            int out = Memory.getInt(pipe.address() + 4);
            int in = Memory.getInt(pipe.address());
            pipe.bytes(8, 3).put(new byte[] {1, 2, 3});
            assertEquals(3, Libc.write(out, pipe.address() + 8, 3));
            Libc.close(out);
            try (Secret key = KeyFile.read(in, memory)) {
                assertEquals(3, key.bytes());
            }
            assertEquals(Reason.BAD_OPTION, refused(() -> KeyFile.read(in, memory)), "empty now");
            Libc.close(in);
        }
    }

    @Test
    void whatIsNoKeyIsRefused() throws Exception {
        assertEquals(Reason.NOT_FOUND, refused(() -> KeyFile.read(directory.resolve("none"), memory)));
        assertEquals(
                Reason.BAD_OPTION, refused(() -> KeyFile.read(Files.createFile(directory.resolve("empty")), memory)));
        assertEquals(
                Reason.BAD_OPTION,
                refused(() -> KeyFile.read(Files.write(directory.resolve("long"), new byte[(8 << 20) + 1]), memory)));
        // would wait for ever
        Path pipe = directory.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        assertEquals(Reason.WRONG_TYPE, refused(() -> KeyFile.read(pipe, memory)));
        assertEquals(Reason.IO, refused(() -> KeyFile.read(directory, memory)));
        assertEquals(Reason.BAD_OPTION, refused(() -> KeyFile.read(Path.of("/dev/zero"), memory)));
    }

    @Test
    void optionsNameExactlyOneKey() throws Exception {
        assertEquals(
                Reason.BAD_OPTION, refused(() -> LuksOptions.of(Options.none()).key(memory)));
        assertEquals(
                Reason.BAD_OPTION,
                refused(() -> LuksOptions.of(new Options(Map.of("key-file", "/k", "key-fd", "3")))
                        .key(memory)));
        assertEquals(
                Reason.BAD_OPTION,
                refused(() ->
                        LuksOptions.of(new Options(Map.of("key-file", "k"))).key(memory)));
        assertTrue(
                LuksOptions.of(new Options(Map.of("key-file", "/k"))).keyFile().isAbsolute());
    }

    private interface Reading {
        Secret read() throws Exception;
    }

    private static Reason refused(Reading reading) {
        return assertThrows(DiskException.class, reading::read).reason();
    }

    private static String text(Secret key) {
        byte[] bytes = new byte[key.bytes()];
        key.memory().bytes(0, bytes.length).get(bytes);
        return new String(bytes, java.nio.charset.StandardCharsets.US_ASCII);
    }
}
