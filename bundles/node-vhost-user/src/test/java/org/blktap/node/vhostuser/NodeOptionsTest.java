package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
@VhostSettings(socket_mode = "0660")
class NodeOptionsTest {
    @TempDir
    Path directory;

    private static String mode(Path path) throws Exception {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }

    private static void refused(Reason reason, String word, org.junit.jupiter.api.function.Executable what) {
        DiskException e = assertThrows(DiskException.class, what);
        assertEquals(reason, e.reason(), e.getMessage());
        assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    @Test
    void options() throws Exception {
        try (TestNode node = new TestNode(directory, 4096, Map.of("mode", "0660"))) {
            assertEquals("rw-rw----", mode(node.socket));
            assertEquals("vhost-user:" + node.socket, node.node.address());
            refused(Reason.EXISTS, "disk-1.sock", () -> node.openAnother(directory, Map.of(), ""));
            refused(Reason.BAD_OPTION, "queues", () -> node.openAnother(directory, Map.of("queues", "17"), ""));
            refused(Reason.BAD_OPTION, "mode", () -> node.openAnother(directory, Map.of("mode", "0999"), ""));
            refused(Reason.BAD_OPTION, "mode", () -> node.openAnother(directory, Map.of("mode", "17777"), ""));
            refused(Reason.BAD_OPTION, "absolute", () -> node.openAnother(directory, Map.of("path", "a.sock"), ""));
            refused(Reason.BAD_OPTION, "path", () -> node.openAnother(directory, Map.of("path", "/a"), "/b"));
            Path other = directory.resolve("other.sock");
            var second = node.openAnother(directory, Map.of(), other.toString());
            assertEquals("vhost-user:" + other, second.address());
            node.onLoop(second::close);
            assertFalse(Files.exists(other));
            assertEquals("none", node.loop.call(() -> node.node.status().get("client")));
        }
        assertFalse(Files.exists(directory.resolve("disk-1.sock")));
    }

    @Test
    void settingsSayWhoMayConnectToSocketsThatAreOpenedFromNowOn() throws Exception {
        VhostUserNodeProvider provider = new VhostUserNodeProvider(TestMemory.SETTINGS);
        try (TestNode node = new TestNode(directory, Mapping.anonymous(4096), Map.of(), provider)) {
            provider.configure(NodeOptionsTest.class.getAnnotation(VhostSettings.class));
            assertEquals("rw-------", mode(node.socket));
            Path other = directory.resolve("other.sock");
            var second = node.openAnother(directory, Map.of(), other.toString());
            assertEquals("rw-rw----", mode(other));
            node.onLoop(second::close);
            second = node.openAnother(directory, Map.of("mode", "0600"), other.toString());
            assertEquals("rw-------", mode(other));
            node.onLoop(second::close);
        }
    }
}
