package org.blktap.shell.offline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a file of settings means is in SettingTest; ConfigIT runs the program. */
class CheckProgramTest {
    @TempDir
    Path directory;

    @Test
    void aJarThatCannotBeReadIsNamedAndTheRestIsChecked() throws Exception {
        Path jar = Files.writeString(directory.resolve("a.jar"), "no zip");
        List<String> problems = CheckProgram.problems(Map.of("x", Map.of()), directory);
        assertEquals(2, problems.size(), problems::toString);
        assertTrue(problems.get(0).startsWith(jar + ": cannot be read: "), problems::toString);
        assertEquals("x: no bundle has this name", problems.get(1));
    }
}
