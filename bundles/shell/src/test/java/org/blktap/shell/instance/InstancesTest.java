package org.blktap.shell.instance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.settings.Instance;
import org.blktap.shell.client.Frame;
import org.blktap.shell.client.SocketStreams;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class InstancesTest {
    @TempDir
    Path directory;

    private final List<ServerSocketChannel> servers = new ArrayList<>();
    private Instances instances;

    @BeforeEach
    void make() {
        instances = new Instances(new Instance("", false, true, directory.resolve("run"), directory.resolve("data")));
    }

    @AfterEach
    void close() throws IOException {
        for (ServerSocketChannel each : servers) {
            each.close();
        }
    }

    /** An instance that answers each command with a text, or never if that is null. */
    private void instance(String name, String answer) throws IOException {
        Path run = Files.createDirectories(directory.resolve("run/instances").resolve(name));
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(run.resolve("control.sock")));
        servers.add(server);
        if (answer == null) {
            return;
        }
        Thread thread = new Thread(() -> {
            try (SocketChannel client = server.accept()) {
                SocketStreams streams = new SocketStreams(client);
                Frame.readRequest(new DataInputStream(new BufferedInputStream(streams.input())));
                DataOutputStream out = new DataOutputStream(streams.output());
                byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
                Frame.write(out, Frame.OUT, bytes, 0, bytes.length);
                Frame.write(out, Frame.EXIT, new byte[1], 0, 1);
            } catch (IOException e) {
                // the test has ended
                return;
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private Instances.Answer of(List<Instances.Answer> answers, String name) {
        return answers.stream()
                .filter(each -> each.instance().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private void ownProcess(String name) throws IOException {
        Files.createFile(
                Files.createDirectories(directory.resolve("data/instances").resolve(name))
                        .resolve(Instance.OWN_PROCESS));
    }

    @Test
    void whoDoesNotAnswerHoldsNobodyUp() throws Exception {
        instance("good", "[{\"id\": \"a\"}]");
        instance("hung", null);
        instance("odd", "no JSON [");
        instance("other", "{}");
        ownProcess("crashed");
        Files.createDirectories(directory.resolve("run/instances/stopped"));
        Files.createDirectories(directory.resolve("run/instances/-no name"));
        List<Instances.Answer> answers = instances.ask(true);
        assertEquals(
                List.of("default", "crashed", "good", "hung", "odd", "other"),
                answers.stream().map(Instances.Answer::instance).toList());
        assertNull(of(answers, "good").problem());
        assertEquals(1, of(answers, "good").disks().size());
        assertTrue(of(answers, "hung").problem().startsWith("does not answer within"));
        assertTrue(of(answers, "crashed").problem().startsWith("does not answer on"));
        assertTrue(of(answers, "default").problem().startsWith("does not answer on"));
        assertEquals(
                "answers with something else than a list", of(answers, "odd").problem());
        assertEquals(
                "answers with something else than a list", of(answers, "other").problem());
    }

    @Test
    void disksWithProcessesOfTheirOwn() throws Exception {
        assertEquals(List.of(), instances.ownProcesses());
        ownProcess("b");
        ownProcess("a");
        Files.createDirectories(directory.resolve("data/instances/lab"));
        assertEquals(List.of("a", "b"), instances.ownProcesses());
        assertTrue(instances.hasOwnProcess("a"));
        for (String each : List.of("lab", "c", "../instances/a", "", "default")) {
            assertFalse(instances.hasOwnProcess(each), each);
        }
        Instances lab =
                new Instances(new Instance("lab", false, true, directory.resolve("run"), directory.resolve("data")));
        assertFalse(lab.hasOwnProcess("a"));
        assertEquals(List.of(), lab.ownProcesses());
    }
}
