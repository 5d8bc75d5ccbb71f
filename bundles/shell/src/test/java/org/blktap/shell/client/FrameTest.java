package org.blktap.shell.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class FrameTest {
    private static byte[] bytes(Frame.VerbRequest request) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Frame.writeRequest(new DataOutputStream(out), request);
        return out.toByteArray();
    }

    private static DataInputStream in(byte[] bytes) {
        return new DataInputStream(new ByteArrayInputStream(bytes));
    }

    @Property
    void aRequestComesBackAsItWas(
            @ForAll @Size(max = 20) List<String> arguments, @ForAll @IntRange(max = 65535) int columns)
            throws IOException {
        // what has no UTF-8 is no argument
        List<String> words = arguments.stream()
                .map(a -> new String(
                        a.getBytes(java.nio.charset.StandardCharsets.UTF_8), java.nio.charset.StandardCharsets.UTF_8))
                .toList();
        Frame.VerbRequest request = new Frame.VerbRequest("/some/where", "xterm", columns, 24, words);
        assertEquals(request, Frame.readRequest(in(bytes(request))));
    }

    @Test
    void argumentsNeedNotBeUtf8() throws IOException {
        Frame.VerbRequest request = new Frame.VerbRequest(
                "/x\udce9", "", 80, 24, List.of("info", "tap:raw:/vm/caf\udce9 \u00e9.img", "\udc80"));
        assertEquals(request, Frame.readRequest(in(bytes(request))));
    }

    @Property
    void anyBytesAreARequestOrAnIOException(@ForAll byte[] noise, @ForAll @IntRange(max = 60) int from)
            throws IOException {
        byte[] request = bytes(new Frame.VerbRequest("/d", "", 80, 24, List.of("attach", "tap:ram:x")));
        // a good beginning leads further in than noise alone
        byte[] mixed = Arrays.copyOf(request, Math.max(request.length, from + noise.length));
        System.arraycopy(noise, 0, mixed, from, noise.length);
        for (byte[] each : List.of(noise, mixed)) {
            try {
                Frame.readRequest(in(each));
            } catch (IOException e) {
                assertTrue(e.getClass().getName().startsWith("java.io."), e.toString());
            }
        }
    }

    @Test
    void everyCutRequestIsRefused() throws IOException {
        byte[] request = bytes(new Frame.VerbRequest("/d", "xterm", 80, 24, List.of("detach", "a")));
        for (int length = 0; length < request.length; length++) {
            byte[] cut = Arrays.copyOf(request, length);
            assertThrows(IOException.class, () -> Frame.readRequest(in(cut)), "of " + length + " bytes");
        }
    }

    @Test
    void lengthsAreBoundedBeforeAnythingIsAllocated() throws IOException {
        for (int length : new int[] {-1, Frame.MAX_TEXT + 1, Integer.MAX_VALUE}) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            DataOutputStream data = new DataOutputStream(out);
            data.writeInt(Frame.MAGIC);
            data.writeInt(length);
            IOException e = assertThrows(IOException.class, () -> Frame.readRequest(in(out.toByteArray())));
            assertTrue(e.getMessage().contains(length + " bytes"), e.getMessage());
        }
        String[] many = new String[Frame.MAX_ARGUMENTS + 1];
        Arrays.fill(many, "x");
        byte[] request = bytes(new Frame.VerbRequest("/", "", 0, 0, List.of(many)));
        assertThrows(IOException.class, () -> Frame.readRequest(in(request)));
        String[] large = new String[9];
        Arrays.fill(large, "x".repeat(Frame.MAX_TEXT));
        byte[] heavy = bytes(new Frame.VerbRequest("/", "", 0, 0, List.of(large)));
        assertThrows(IOException.class, () -> Frame.readRequest(in(heavy)), "a megabyte in all");
    }

    @Test
    void longOutputIsCutIntoFrames() throws IOException {
        byte[] output = new byte[Frame.MAX_FRAME * 2 + 5];
        new java.util.Random(5).nextBytes(output);
        ByteArrayOutputStream wire = new ByteArrayOutputStream();
        Frame.write(new DataOutputStream(wire), Frame.OUT, output, 0, output.length);
        DataInputStream in = in(wire.toByteArray());
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        for (int i = 0; i < 3; i++) {
            Frame.Answer answer = Frame.read(in);
            assertEquals(Frame.OUT, answer.type());
            read.write(answer.bytes());
        }
        assertArrayEquals(output, read.toByteArray());
        assertThrows(java.io.EOFException.class, () -> Frame.read(in));
    }

    @Test
    void answersThatAreNoneAreRefused() {
        for (byte[] bad : new byte[][] {
            {9, 0, 0, 0, 0},
            {0, 0, 0, 0, 0},
            {1, -1, -1, -1, -1},
            {1, 127, 0, 0, 0},
            {3, 0, 0, 0, 0},
            {3, 0, 0, 0, 2, 0, 0},
            {1, 0, 0, 0, 4, 1, 2},
            {1, 0}
        }) {
            assertThrows(IOException.class, () -> Frame.read(in(bad)), Arrays.toString(bad));
        }
    }
}
