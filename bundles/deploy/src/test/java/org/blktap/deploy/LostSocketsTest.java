package org.blktap.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.Node;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.FileNames;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LostSocketsTest {
    @TempDir
    Path directory;

    private static AttachmentStatus attachment(List<Node> nodes) {
        return new AttachmentStatus(
                "a",
                "tap:ram:x",
                State.RUNNING,
                StateReason.NONE,
                512,
                512,
                false,
                "libaio",
                nodes,
                Map.of(),
                Map.of(),
                List.of());
    }

    @Test
    void aSocketHasAnyName() throws Exception {
        Path there = Files.createFile(directory.resolve(FileNames.path("caf\udce9 b.sock")));
        List<Node> nodes = List.of(
                new Node("vhost-user", "vhost-user:" + FileNames.text(there), Map.of()),
                new Node("nbd", "nbd+unix:///a?socket=" + directory + "/caf%E9%20b.sock", Map.of()));
        assertEquals(List.of(), LostSockets.of(attachment(nodes)));
    }

    @Test
    void socketsThatAreGoneAreNamed() throws Exception {
        Path there = Files.createFile(directory.resolve("there.sock"));
        Path gone = directory.resolve("gone.sock");
        List<Node> nodes = List.of(
                new Node("vhost-user", "vhost-user:" + there, Map.of()),
                new Node("vhost-user", "vhost-user:" + gone, Map.of()),
                new Node("nbd", "nbd+unix:///a?socket=" + there, Map.of()),
                new Node("nbd", "nbd+unix:///b?socket=" + gone, Map.of()),
                new Node("nbd", "nbd://127.0.0.1:10809/a", Map.of()),
                new Node("xen", "xen:1/51712", Map.of()));
        assertEquals(List.of("vhost-user:" + gone, "nbd+unix:///b?socket=" + gone), LostSockets.of(attachment(nodes)));
    }
}
