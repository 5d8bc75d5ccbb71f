package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ProcFileTest {
    @Test
    void allOfItIsRead() throws Exception {
        String id = ProcFile.read(Path.of("/proc/sys/kernel/random/boot_id"));
        assertTrue(id.matches("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), id);
    }
}
