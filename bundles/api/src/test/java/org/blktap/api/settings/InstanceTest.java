package org.blktap.api.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InstanceTest {
    @ParameterizedTest
    @ValueSource(strings = {"a", "lab", "vm-1.root_disk", "0"})
    void names(String name) {
        assertTrue(Instance.isName(name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "-a", ".a", "a/b", "../a", "a b", "a\n", "ä", "default", "a\0"})
    void whatIsNoName(String name) {
        assertFalse(Instance.isName(name));
        assertFalse(Instance.isName("a".repeat(41)));
    }

    @Test
    void directoriesAreBelowThoseOfTheDefaultInstance() {
        Instance lab = new Instance("lab", false, false, Path.of("/run/blktap"), Path.of("/var/lib/blktap"));
        assertEquals(Path.of("/run/blktap/instances/other"), lab.runOf("other"));
        assertEquals(Path.of("/var/lib/blktap/instances/other"), lab.dataOf("other"));
        assertEquals("lab", lab.shownName());
        assertEquals(
                "default", Instance.ofDefault(Directories.of(Path.of("/opt"))).shownName());
    }
}
