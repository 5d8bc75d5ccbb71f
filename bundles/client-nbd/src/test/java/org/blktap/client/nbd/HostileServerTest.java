package org.blktap.client.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import org.blktap.api.engine.ExtentList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Servers that say what they should not. The numbers are written out as in the protocol's text, so that a wrong
 * constant of the client does not make both sides wrong.
 */
@Timeout(60)
class HostileServerTest {
    private static final long NBDMAGIC = 0x4e42444d41474943L;
    private static final long IHAVEOPT = 0x49484156454F5054L;
    private static final long REPLY = 0x3e889045565a9L;

    /** What a server does after a negotiation that went well. */
    private interface Script {
        void run(DataInputStream in, DataOutputStream out) throws IOException;
    }

    private interface Use {
        void run(ServerConnection connection) throws Exception;
    }

    private static void with(boolean structured, Script script, Use use) throws Exception {
        serve(
                (in, out) -> {
                    out.writeLong(NBDMAGIC);
                    out.writeLong(IHAVEOPT);
                    out.writeShort(3);
                    in.readInt();
                    for (int option = 0; option != 7; ) {
                        in.readLong();
                        option = in.readInt();
                        in.skipNBytes(in.readInt());
                        if (option == 8 && !structured) {
                            reply(out, option, 0x80000001, new byte[0]);
                            continue;
                        }
                        if (option == 10) {
                            reply(
                                    out,
                                    option,
                                    4,
                                    ByteBuffer.allocate(19)
                                            .putInt(5)
                                            .put("base:allocation".getBytes())
                                            .array());
                        }
                        if (option == 7) {
                            reply(
                                    out,
                                    option,
                                    3,
                                    ByteBuffer.allocate(12)
                                            .putShort((short) 0)
                                            .putLong(1 << 20)
                                            .putShort((short) 1)
                                            .array());
                        }
                        reply(out, option, 1, new byte[0]);
                    }
                    script.run(in, out);
                },
                use);
    }

    private static void serve(Script script, Use use) throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread thread = new Thread(() -> {
                try (Socket socket = server.accept()) {
                    script.run(
                            new DataInputStream(socket.getInputStream()),
                            new DataOutputStream(socket.getOutputStream()));
                    socket.getInputStream().transferTo(java.io.OutputStream.nullOutputStream());
                } catch (IOException e) {
                    // the client has gone
                }
            });
            thread.setName("hostile-server");
            thread.start();
            try (ServerConnection connection = new ServerConnection(new Server(
                    new NbdUri(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.getLocalPort()), "x"),
                    null))) {
                use.run(connection);
            } finally {
                thread.join();
            }
        }
    }

    private static void reply(DataOutputStream out, int option, int type, byte[] payload) throws IOException {
        out.writeLong(REPLY);
        out.writeInt(option);
        out.writeInt(type);
        out.writeInt(payload.length);
        out.write(payload);
    }

    private static void chunk(DataOutputStream out, int flags, int type, long cookie, byte[] payload)
            throws IOException {
        out.writeInt(0x668e33ef);
        out.writeShort(flags);
        out.writeShort(type);
        out.writeLong(cookie);
        out.writeInt(payload.length);
        out.write(payload);
    }

    private static byte[] data(long offset, int bytes) {
        ByteBuffer payload = ByteBuffer.allocate(8 + bytes).putLong(offset);
        while (payload.hasRemaining()) {
            payload.put((byte) 7);
        }
        return payload.array();
    }

    @Test
    void repliesInPiecesAndHoles() throws Exception {
        with(
                true,
                (in, out) -> {
                    in.skipNBytes(28);
                    chunk(out, 0, 1, 1, data(4608, 512));
                    chunk(
                            out,
                            1,
                            2,
                            1,
                            ByteBuffer.allocate(12).putLong(4096).putInt(512).array());
                    in.skipNBytes(28);
                    chunk(
                            out,
                            1,
                            5,
                            2,
                            ByteBuffer.allocate(20)
                                    .putInt(5)
                                    .putInt(4096)
                                    .putInt(0)
                                    .putInt(8192)
                                    .putInt(3)
                                    .array());
                    in.skipNBytes(28);
                    chunk(out, 1, 0x8001, 3, ByteBuffer.allocate(6).putInt(5).array());
                },
                connection -> {
                    ByteBuffer into = ByteBuffer.allocate(1024);
                    java.util.Arrays.fill(into.array(), (byte) 9);
                    assertEquals(0, connection.read(4096, into));
                    assertEquals(0, into.array()[511]);
                    assertEquals(7, into.array()[512]);
                    ExtentList extents = new ExtentList();
                    assertEquals(0, connection.map(0, 65536, extents));
                    assertEquals(2, extents.count());
                    assertEquals(8192, extents.length(1));
                    assertEquals(ExtentList.HERE, extents.depth(1));
                    assertEquals(5, connection.read(0, ByteBuffer.allocate(512)));
                });
    }

    @Test
    void repliesThatAreNone() throws Exception {
        Script[] scripts = {
            (in, out) -> chunk(out, 1, 1, 1, data(0, 512)),
            (in, out) -> chunk(out, 1, 1, 1, data(4096, 2048)),
            (in, out) -> chunk(out, 1, 1, 1, data(-512, 512)),
            (in, out) -> chunk(
                    out,
                    1,
                    2,
                    1,
                    ByteBuffer.allocate(12).putLong(4096).putInt(-1).array()),
            (in, out) -> chunk(
                    out,
                    1,
                    2,
                    1,
                    ByteBuffer.allocate(12).putLong(Long.MAX_VALUE).putInt(1024).array()),
            (in, out) -> chunk(out, 1, 1, 1, data(4096, 512)),
            (in, out) -> chunk(out, 1, 1, 2, data(4096, 1024)),
            (in, out) -> chunk(out, 1, 9, 1, new byte[0]),
            (in, out) -> chunk(out, 1, 5, 1, new byte[12]),
            (in, out) -> out.writeLong(42),
            (in, out) -> {
                out.writeInt(0x668e33ef);
                out.writeInt(1);
                out.writeLong(1);
                out.writeInt(Integer.MAX_VALUE);
            }
        };
        for (int i = 0; i < scripts.length; i++) {
            Script script = scripts[i];
            with(
                    true,
                    (in, out) -> {
                        in.skipNBytes(28);
                        script.run(in, out);
                    },
                    connection ->
                            assertThrows(IOException.class, () -> connection.read(4096, ByteBuffer.allocate(1024))));
        }
    }

    @Test
    void mapsOfMoreThanWasAskedForAreCut() throws Exception {
        with(
                true,
                (in, out) -> {
                    in.skipNBytes(28);
                    chunk(
                            out,
                            1,
                            5,
                            1,
                            ByteBuffer.allocate(20)
                                    .putInt(5)
                                    .putInt(512)
                                    .putInt(3)
                                    .putInt(-1)
                                    .putInt(0)
                                    .array());
                    in.skipNBytes(28);
                    chunk(
                            out,
                            0,
                            5,
                            2,
                            ByteBuffer.allocate(12)
                                    .putInt(5)
                                    .putInt(512)
                                    .putInt(0)
                                    .array());
                    chunk(
                            out,
                            1,
                            5,
                            2,
                            ByteBuffer.allocate(12)
                                    .putInt(5)
                                    .putInt(512)
                                    .putInt(0)
                                    .array());
                },
                connection -> {
                    ExtentList extents = new ExtentList();
                    assertEquals(0, connection.map(0, 4096, extents));
                    assertEquals(4096, extents.total());
                    assertThrows(IOException.class, () -> connection.map(0, 4096, new ExtentList()));
                });
    }

    @Test
    void repliesWithoutEndEnd() throws Exception {
        with(
                true,
                (in, out) -> {
                    in.skipNBytes(28);
                    while (true) {
                        chunk(out, 0, 0, 1, new byte[0]);
                    }
                },
                connection -> assertThrows(IOException.class, () -> connection.read(0, ByteBuffer.allocate(512))));
    }

    @Test
    void simpleReplies() throws Exception {
        with(
                false,
                (in, out) -> {
                    in.skipNBytes(28);
                    out.writeInt(0x67446698);
                    out.writeInt(0);
                    out.writeLong(1);
                    out.write(data(0, 512), 8, 512);
                },
                connection -> {
                    ByteBuffer into = ByteBuffer.allocate(512);
                    assertEquals(0, connection.read(0, into));
                    assertEquals(7, into.array()[511]);
                    assertEquals(1 << 20, connection.agreed().size());
                });
    }

    @Test
    void negotiationsThatAreNone() throws Exception {
        Script[] scripts = {
            (in, out) -> out.write(new byte[18]),
            (in, out) -> {
                out.writeLong(NBDMAGIC);
                out.writeLong(IHAVEOPT);
                out.writeShort(1);
                out.writeLong(REPLY);
                out.writeInt(8);
                out.writeInt(1);
                out.writeInt(1 << 30);
            },
            (in, out) -> {
                out.writeLong(NBDMAGIC);
                out.writeLong(IHAVEOPT);
                out.writeShort(1);
                reply(out, 8, 1, new byte[0]);
                reply(out, 10, 1, new byte[0]);
                reply(out, 7, 1, new byte[0]);
            }
        };
        for (Script script : scripts) {
            IOException e = assertThrows(IOException.class, () -> serve(script, connection -> {}));
            assertTrue(e.getMessage() != null, "it tells why");
        }
    }

    private static void greet(DataInputStream in, DataOutputStream out) throws IOException {
        out.writeLong(NBDMAGIC);
        out.writeLong(IHAVEOPT);
        out.writeShort(3);
        in.readInt();
    }

    /** Reads an option. */
    private static int option(DataInputStream in) throws IOException {
        in.readLong();
        int option = in.readInt();
        in.skipNBytes(in.readInt());
        return option;
    }

    private static String refusal(int error, String text, Script list) {
        return assertThrows(
                        RefusedException.class,
                        () -> serve(
                                (in, out) -> {
                                    greet(in, out);
                                    for (int option = 0; option != 7; ) {
                                        option = option(in);
                                        reply(out, option, error, text.getBytes());
                                    }
                                    list.run(in, out);
                                },
                                connection -> {}))
                .getMessage();
    }

    /** Each refusal has its own words, and those of the server, of which no more than a line is taken. */
    @Test
    void whatTheServerSaysIsReported() {
        Script nothing = (in, out) -> {};
        String[] meanings = {
            "policy",
            "invalid",
            "platform",
            "requires TLS",
            "no such export",
            "shutting down",
            "block sizes",
            "too big",
            "extended headers"
        };
        for (int i = 0; i < meanings.length; i++) {
            if (i + 2 != 6) {
                String message = refusal(1 << 31 | i + 2, "go\naway", nothing);
                assertTrue(message.contains(meanings[i]) && message.endsWith("it says: go\\naway"), message);
            }
        }
        assertTrue(refusal(1 << 31 | 99, "x".repeat(8000), nothing).length() < 400);
        String listed = refusal(1 << 31 | 6, "", (in, out) -> {
            option(in);
            for (int i = 0; i < 50; i++) {
                reply(
                        out,
                        3,
                        2,
                        ByteBuffer.allocate(8)
                                .putInt(2)
                                .put(("e" + i % 10).getBytes())
                                .array());
            }
            reply(out, 3, 1, new byte[0]);
        });
        assertTrue(listed.contains("its exports are 'e0', 'e1'") && listed.endsWith("and 40 more"), listed);
        String hidden = refusal(1 << 31 | 6, "", (in, out) -> reply(out, option(in), 1 << 31 | 2, new byte[0]));
        assertTrue(hidden.contains("does not list its exports: refused by the server's policy"), hidden);
    }

    @Test
    void serversWithoutGoAreTakenToo() throws Exception {
        serve(
                (in, out) -> {
                    greet(in, out);
                    for (int option = 0; option != 7; ) {
                        option = option(in);
                        reply(out, option, 1 << 31 | 1, new byte[0]);
                    }
                    assertEquals(1, option(in));
                    out.writeLong(4096);
                    out.writeShort(1);
                },
                connection -> assertEquals(4096, connection.agreed().size()));
        IOException e = assertThrows(
                IOException.class,
                () -> serve(
                        (in, out) -> {
                            greet(in, out);
                            for (int option = 0; option != 7; ) {
                                option = option(in);
                                reply(out, option, 1 << 31 | 1, new byte[0]);
                            }
                            out.close();
                        },
                        connection -> {}));
        assertTrue(
                e.getMessage().contains("does not give the export 'x'")
                        || e.getMessage().contains("reset")
                        || e.getMessage().contains("pipe"),
                e.getMessage());
    }

    @Test
    void repliesToAnOptionWithoutEndEnd() {
        assertThrows(
                IOException.class,
                () -> serve(
                        (in, out) -> {
                            greet(in, out);
                            while (true) {
                                reply(out, 8, 3, new byte[12]);
                            }
                        },
                        connection -> {}));
    }
}
