package org.blktap.shell.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.blktap.api.disk.FileNames;
import org.junit.jupiter.api.Test;

class RawUtf8Test {
    @Test
    void anyBytesAreWrittenAsTheyWere() {
        Random random = new Random(3);
        for (int i = 0; i < 300; i++) {
            // some longer than the buffers between
            byte[] bytes = new byte[random.nextInt(i % 50 == 0 ? 30_000 : 40)];
            random.nextBytes(bytes);
            String text = FileNames.text(bytes);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            PrintWriter writer = RawUtf8.writer(out, false);
            writer.print(text.substring(0, text.length() / 2));
            writer.print(text.substring(text.length() / 2));
            writer.flush();
            assertArrayEquals(bytes, out.toByteArray());
            ByteArrayOutputStream stream = new ByteArrayOutputStream();
            new PrintStream(stream, true, RawUtf8.OUTPUT).print(text);
            assertArrayEquals(bytes, stream.toByteArray());
        }
    }

    @Test
    void otherHalvesOfCharactersAreReplaced() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintWriter writer = RawUtf8.writer(out, true);
        writer.println("a\ud800b\udc41c \ud83d\ude00");
        assertEquals("a?b?c \ud83d\ude00\n", out.toString(StandardCharsets.UTF_8));
    }
}
