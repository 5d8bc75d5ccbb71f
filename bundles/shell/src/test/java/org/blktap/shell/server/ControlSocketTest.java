package org.blktap.shell.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Dictionary;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.apache.felix.gogo.runtime.CommandProcessorImpl;
import org.apache.felix.gogo.runtime.threadio.ThreadIOImpl;
import org.apache.felix.gogo.shell.Posix;
import org.blktap.api.settings.Directories;
import org.blktap.shell.Fakes;
import org.blktap.shell.TestVerbs;
import org.blktap.shell.client.Frame;
import org.blktap.shell.client.SocketStreams;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;

/** The socket with a real gogo behind it and a core of paper. */
@Timeout(60)
class ControlSocketTest {
    @TempDir
    Path directory;

    private final Fakes core = new Fakes();
    private final ThreadIOImpl threads = new ThreadIOImpl();
    private final CommandProcessorImpl gogo = new CommandProcessorImpl(threads);
    private ControlServices services;
    private ControlSocket socket;

    record Result(int status, String out, String err) {}

    @BeforeEach
    void start() throws IOException {
        threads.start();
        services = new ControlServices(null, null, Directories.of(directory), null);
        services.attachments = core;
        services.images = core;
        gogo.addCommand("gogo", new Posix(), "grep");
        GogoCommands commands = new GogoCommands(
                Fakes.proxy(BundleContext.class, (proxy, method, arguments) -> {
                    Dictionary<?, ?> properties = (Dictionary<?, ?>) arguments[2];
                    gogo.addCommand((String) properties.get("osgi.command.scope"), arguments[1], (String)
                            properties.get("osgi.command.function"));
                    return Fakes.proxy(ServiceRegistration.class, (p, m, a) -> null);
                }),
                services,
                TestVerbs.VERBS);
        TestVerbs.NAMES.forEach(commands::register);
        socket = new ControlSocket(services, TestVerbs.VERBS, gogo, directory);
    }

    @AfterEach
    void stop() throws IOException {
        socket.stop();
        threads.stop();
    }

    private SocketChannel connect() throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(directory.resolve("control.sock")));
        return channel;
    }

    private Result call(String input, String terminal, String... arguments) throws IOException {
        try (SocketChannel channel = connect()) {
            SocketStreams streams = new SocketStreams(channel);
            Frame.writeRequest(
                    new DataOutputStream(streams.output()),
                    new Frame.VerbRequest(directory.toString(), terminal, 80, 24, List.of(arguments)));
            streams.output().write(input.getBytes(StandardCharsets.UTF_8));
            if (terminal.isEmpty()) {
                streams.endOutput();
            }
            return answer(streams);
        }
    }

    private static Result answer(SocketStreams streams) throws IOException {
        StringBuilder out = new StringBuilder();
        StringBuilder err = new StringBuilder();
        DataInputStream in = new DataInputStream(streams.input());
        while (true) {
            Frame.Answer answer = Frame.read(in);
            String text = new String(answer.bytes(), StandardCharsets.UTF_8);
            switch (answer.type()) {
                case Frame.OUT -> out.append(text);
                case Frame.ERR -> err.append(text);
                default -> {
                    return new Result(answer.bytes()[0], out.toString(), err.toString());
                }
            }
        }
    }

    @Test
    void aCommandItsOutputAndItsStatus() throws IOException {
        assertEquals(
                new Result(0, "ä\nnbd:/run/ä.sock\n", ""),
                call("", "", "attach", "tap:ram:x", "--id", "ä", "--node", "nbd"));
        assertEquals(new Result(1, "", "blktap: no attachment 'b'\n"), call("", "", "info", "b"));
        assertEquals(2, call("", "", "frobnicate").status());
    }

    @Test
    void theFileIsForItsOwnerAndReplacesWhatAKilledDaemonLeft() throws IOException {
        Path path = directory.resolve("control.sock");
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
        socket.stop();
        assertFalse(Files.exists(path));
        ServerSocketChannel stale = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        stale.bind(UnixDomainSocketAddress.of(path));
        stale.close();
        assertTrue(Files.exists(path));
        socket = new ControlSocket(services, TestVerbs.VERBS, gogo, directory);
        assertEquals(0, call("", "", "list").status());
    }

    @Test
    void whoeverTalksNonsenseIsHungUpOnAndOthersAreServed() throws IOException {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int i = 0; i < 200; i++) {
            try (SocketChannel channel = connect()) {
                byte[] noise = new byte[random.nextInt(200)];
                random.nextBytes(noise);
                if (i % 2 == 0 && noise.length >= 4) {
                    ByteBuffer.wrap(noise).putInt(Frame.MAGIC);
                }
                channel.write(ByteBuffer.wrap(noise));
                channel.shutdownOutput();
                assertThrows(IOException.class, () -> answer(new SocketStreams(channel)), "seed " + seed);
            } catch (IOException e) {
                // hung up on before all of it was written
                assertFalse(e instanceof EOFException, "seed " + seed);
            }
        }
        for (String bad : new String[] {"relative", "/nul\0"}) {
            try (SocketChannel channel = connect()) {
                SocketStreams streams = new SocketStreams(channel);
                Frame.writeRequest(
                        new DataOutputStream(streams.output()), new Frame.VerbRequest(bad, "", 0, 0, List.of("list")));
                assertThrows(IOException.class, () -> answer(streams), bad);
            }
        }
        assertEquals(0, call("", "", "list").status());
    }

    @Test
    void silentClientsKeepOthersOutOnlyPastALimit() throws Exception {
        SocketChannel[] silent = new SocketChannel[63];
        for (int i = 0; i < silent.length; i++) {
            silent[i] = connect();
        }
        assertEquals(0, call("", "", "list").status());
        for (SocketChannel each : silent) {
            each.close();
        }
        // their places are free when the daemon has noticed
        long end = System.nanoTime() + java.util.concurrent.TimeUnit.MINUTES.toNanos(1);
        while (!answered()) {
            assertTrue(System.nanoTime() < end, "clients that have gone keep their places");
            Thread.sleep(5);
        }
    }

    private boolean answered() {
        try {
            return call("", "", "list").status() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void linesOfAShellWithoutATerminal() throws IOException {
        Result result = call("attach tap:ram:x --id a\n\nlist\nexit\nlist\n", "", "shell");
        assertEquals(0, result.status(), result::toString);
        assertTrue(result.out().startsWith("a\n"), result.out());
        assertEquals(1, core.attached.size());
        Result failed = call("detach b\n", "", "shell");
        assertEquals(new Result(1, "", "blktap: no attachment 'b'\n"), failed);
        assertEquals(2, call("attach\n", "", "shell").status());
        assertEquals(1, call("nonsense\n", "", "shell").status());
        assertEquals(0, call("detach b\nlist\n", "", "shell").status(), "that of the last line");
    }

    @Test
    void aPromptCompletesAndLeaves() throws IOException {
        Result result = call("att\ttap:ram:x --id zz\rdetach z\t\rexit\r", "xterm", "shell");
        assertEquals(0, result.status(), result::toString);
        assertTrue(result.out().contains("blktap> "), result.out());
        assertEquals(List.of("attach", "detach zz"), core.calls, result::toString);
    }

    /** A person at a prompt. */
    private final class Session implements AutoCloseable {
        private final SocketChannel channel = connect();
        private final SocketStreams streams = new SocketStreams(channel);
        private final DataInputStream in = new DataInputStream(streams.input());
        private String seen = "";

        Session() throws IOException {
            Frame.writeRequest(
                    new DataOutputStream(streams.output()),
                    new Frame.VerbRequest(directory.toString(), "xterm", 80, 24, List.of("shell")));
        }

        void type(String keys) throws IOException {
            streams.output().write(keys.getBytes(StandardCharsets.UTF_8));
        }

        /** Reads until a text appears; returns what came before it. */
        String await(String text) throws IOException {
            while (!seen.contains(text)) {
                Frame.Answer answer = Frame.read(in);
                assertEquals(Frame.OUT, answer.type(), seen);
                seen += new String(answer.bytes(), StandardCharsets.UTF_8);
            }
            String before = seen.substring(0, seen.indexOf(text));
            seen = seen.substring(seen.indexOf(text) + text.length());
            return before;
        }

        int leave() throws IOException {
            type("exit\r");
            return answer(streams).status();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    @Test
    void theOutputOfAVerbGoesThroughAPipe() throws IOException {
        call("", "", "attach", "tap:ram:x", "--id", "alpha");
        call("", "", "attach", "tap:ram:y", "--id", "beta");
        Result lines = call("list | grep alpha\n", "", "shell");
        assertEquals(0, lines.status(), lines::toString);
        assertTrue(lines.out().startsWith("alpha ") && lines.out().lines().count() == 1, lines::toString);
        assertEquals(new Result(1, "", ""), call("list | grep gamma\n", "", "shell"));
        try (Session session = new Session()) {
            session.await("blktap> ");
            session.type("list | grep beta\r");
            session.await("\n");
            String shown = session.await("blktap> ");
            assertTrue(shown.contains("beta  ") && !shown.contains("alpha"), shown);
            assertEquals(0, session.leave());
        }
    }

    @Test
    void aConversionShowsItsBarAndControlCEndsIt() throws IOException {
        core.endless = true;
        try (Session session = new Session()) {
            for (int i = 0; i < 3; i++) {
                session.await("blktap> ");
                session.type("convert tap:ram:x tap:raw:/b\r");
                session.await("[####");
                session.type("\u0003");
                session.await("given up");
            }
            session.await("blktap> ");
            // a line that is dropped, and one that is not
            session.type("detach one\u0003");
            session.await("blktap> ");
            session.type("list\r");
            session.await("NODES");
            session.leave();
            assertEquals(3, core.calls.size(), core.calls::toString);
        }
    }

    @Test
    void controlCEndsACheck() throws Exception {
        core.endless = true;
        try (Session session = new Session()) {
            session.await("blktap> ");
            session.type("check tap:raw:/b\r");
            awaitThread("blktap-examine", true);
            session.type("\u0003");
            session.await("the check was interrupted");
            awaitThread("blktap-examine", false);
            session.await("blktap> ");
            session.leave();
        }
    }

    @Test
    void controlCLeavesAVerbThatGoesOn() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        core.listed = () -> {
            begun.countDown();
            try {
                end.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
        };
        try (Session session = new Session()) {
            session.await("blktap> ");
            session.type("list\r");
            begun.await();
            session.type("\u0003");
            session.await("interrupted; list goes on in the daemon");
            end.countDown();
            session.await("blktap> ");
            assertEquals(Foreground.INTERRUPTED, session.leave() & 0xff);
        }
    }

    @Test
    void whoeverLeavesEndsHisConversion() throws Exception {
        core.endless = true;
        try (Session session = new Session()) {
            session.await("blktap> ");
            session.type("convert tap:ram:x tap:raw:/b\r");
            session.await("[####");
        }
        awaitThread("blktap-convert", false);
    }

    private static void awaitThread(String name, boolean present) throws InterruptedException {
        long limit = System.nanoTime() + java.util.concurrent.TimeUnit.MINUTES.toNanos(1);
        while (present
                != Thread.getAllStackTraces().keySet().stream()
                        .anyMatch(each -> each.getName().equals(name))) {
            assertTrue(System.nanoTime() < limit, name + (present ? " is not started" : " goes on for nobody"));
            Thread.sleep(10);
        }
    }

    @Test
    void linesAreKeptForTheNextPrompt() throws IOException {
        Path data = Files.createDirectory(directory.resolve("data"));
        try (Session session = new Session()) {
            session.await("blktap> ");
            session.type("attach tap:ram:x --id kept\r");
            session.await("blktap> ");
            session.leave();
        }
        assertEquals(
                "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(data.resolve("history"))));
        String kept = Files.readString(data.resolve("history"));
        assertTrue(kept.endsWith("attach tap:ram:x --id kept\n"), kept);
        core.attached.clear();
        try (Session session = new Session()) {
            session.await("blktap> ");
            session.type("\u0010\r");
            session.await("blktap> ");
            session.leave();
        }
        assertEquals(List.of("attach", "attach"), core.calls);
    }

    @Test
    void theEndOfInputLeavesThePrompt() throws IOException {
        assertEquals(0, call("\u0004", "xterm", "shell").status());
    }

    @Test
    void stoppingEndsConversations() throws IOException {
        try (SocketChannel channel = connect()) {
            SocketStreams streams = new SocketStreams(channel);
            Frame.writeRequest(
                    new DataOutputStream(streams.output()),
                    new Frame.VerbRequest("/", "xterm", 80, 24, List.of("shell")));
            new DataInputStream(streams.input()).readByte();
            socket.stop();
            assertThrows(IOException.class, () -> answer(streams));
        }
    }

    @Test
    void aDeletedSocketComesBack() throws Exception {
        java.nio.file.Path path = directory.resolve("control.sock");
        for (int i = 0; i < 2; i++) {
            // the watch checks for the file when it runs
            Thread.sleep(200);
            java.nio.file.Files.delete(path);
            long begin = System.nanoTime();
            while (!java.nio.file.Files.exists(path)) {
                org.junit.jupiter.api.Assertions.assertTrue(System.nanoTime() - begin < 60e9, "it does not come back");
                Thread.sleep(10);
            }
            assertEquals(0, call("", "", "list").status());
        }
    }
}
