package org.blktap.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.command.Verbs;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompletionTest {
    @TempDir
    Path directory;
    private final Fakes core = new Fakes();
    private Completion completion;

    @BeforeEach
    void attach() throws Exception {
        core.attach(new AttachRequest(TapSpec.parse("tap:ram:x"), "alpha", List.of(), false, Map.of()));
        completion = new Completion(core.in(directory), directory, () -> List.of("lb", "list"));
    }

    private List<String> after(String line) {
        List<String> words = List.of(line.split(" ", -1));
        return completion.complete(words.subList(0, words.size() - 1), words.get(words.size() - 1)).stream()
                .map(Completion.Proposal::value).toList();
    }

    @Test
    void theFirstWordIsAVerbOrACommandOfTheFramework() {
        List<String> all = after("");
        assertTrue(all.containsAll(Verbs.NAMES), all.toString());
        assertTrue(all.containsAll(List.of("lb", "exit")), all.toString());
        assertEquals(1, all.stream().filter("list"::equals).count());
    }

    @Test
    void identifiers() {
        for (String verb : List.of("detach", "info", "stats", "park", "resize", "resume", "diag", "tap:detach")) {
            assertTrue(after(verb + " ").contains("alpha"), verb);
        }
        assertFalse(after("attach ").contains("alpha"));
        assertFalse(after("list ").contains("alpha"));
    }

    @Test
    void specsAndTheirFiles() throws Exception {
        Files.createFile(directory.resolve("vm.qcow"));
        Files.createDirectories(directory.resolve("vms/inner"));
        Files.createFile(directory.resolve(".hidden"));
        assertTrue(after("attach ").containsAll(List.of("tap:qcow:", "tap:ram:", "--node", "--id")));
        List<String> files = after("attach tap:qcow:v");
        assertTrue(files.containsAll(List.of("tap:qcow:vm.qcow", "tap:qcow:vms/")), files.toString());
        assertTrue(after("attach tap:qcow:vms/").contains("tap:qcow:vms/inner/"));
        assertTrue(after("attach tap:qcow:" + directory + "/vm").contains("tap:qcow:" + directory + "/vm.qcow"));
        assertFalse(after("attach tap:qcow:").contains("tap:qcow:.hidden"));
        assertFalse(after("attach tap:qcow:a --").contains("tap:ram:"), "there is one already");
        assertTrue(after("resize ").contains("tap:qcow:"), "an image is resized too");
        assertTrue(after("create tap:qcow:a --backing ").contains("tap:ram:"));
        assertTrue(after("deploy v").contains("vm.qcow"));
    }

    @Test
    void valuesOfOptions() {
        assertEquals(List.of("nbd"), after("attach --node "));
        assertEquals(List.of(), after("attach --id "));
        assertTrue(after("list ").contains("--json"));
    }

    @Test
    void nothingForWhatIsNotKnownOrNotThere() {
        assertEquals(List.of(), after("frobnicate "));
        Completion alone = new Completion(new org.blktap.shell.command.Surroundings(() -> null, () -> null, null, null, directory, false),
                directory, List::of);
        assertEquals(List.of(), alone.complete(List.of("detach"), ""));
    }
}
