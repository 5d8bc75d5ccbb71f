package org.blktap.shell.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.Fakes;
import org.blktap.shell.TestVerbs;
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
        completion = of(core.in(directory), List.of("lb", "list", "exit"));
    }

    private static Completion of(Surroundings here, List<String> others) {
        return new Completion(TestVerbs.VERBS.catalog(), TestVerbs.VERBS::options, here, () -> others);
    }

    private List<String> after(String line) {
        List<String> words = List.of(line.split(" ", -1));
        return completion.complete(words.subList(0, words.size() - 1), words.get(words.size() - 1)).stream()
                .map(Completion.Proposal::value)
                .toList();
    }

    @Test
    void theFirstWordIsAVerbOrACommandOfTheFramework() {
        List<String> all = after("");
        assertTrue(all.containsAll(TestVerbs.NAMES), all.toString());
        assertTrue(all.containsAll(List.of("lb", "exit")), all.toString());
        assertEquals(1, all.stream().filter("list"::equals).count());
    }

    @Test
    void identifiers() {
        for (String verb : List.of("detach", "info", "stats", "park", "resize", "resume", "tap:detach")) {
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
        assertTrue(after("qcow2raw v").contains("vm.qcow"));
    }

    @Test
    void filters() throws Exception {
        assertTrue(after("attach tap:ram:x --filter ").contains("throttle"));
        core.addFilter("alpha", "trace,slowest=7", null);
        assertTrue(after("filter add alpha ").contains("throttle"));
        assertTrue(after("filter set alpha ").contains("trace"));
        assertTrue(after("filter add alpha throttle --below ").contains("trace"));
    }

    @Test
    void eachOperandIsOfItsKind() throws Exception {
        core.attach(new AttachRequest(TapSpec.parse("tap:ram:y"), "beta", List.of("nbd"), false, Map.of()));
        Files.createFile(directory.resolve("a.vmdk"));
        for (String image : List.of(
                "convert ", "convert tap:ram:x ", "map ", "resize ", "check ", "insert alpha ", "resume alpha ")) {
            assertTrue(after(image).contains("tap:qcow:"), image);
        }
        assertTrue(after("resize ").contains("alpha"));
        assertFalse(after("insert alpha ").contains("alpha"));
        assertFalse(after("resize alpha ").contains("alpha"), "a size");
        assertTrue(after("detach --force ").contains("alpha"), "an option is no operand");
        assertTrue(after("attach --id a ").contains("tap:ram:"), "nor is its value");
        assertTrue(after("plug alpha ").contains("nbd"));
        assertTrue(after("unplug beta ").contains("nbd:/run/beta.sock"));
        assertTrue(after("qcow-create 10 ").contains("a.vmdk"));
        assertTrue(after("qcow2raw new a.").contains("a.vmdk"));
        assertTrue(after("help conv").contains("convert"));
    }

    @Test
    void aShellAsksByAVerb() throws Exception {
        Files.createFile(directory.resolve("vm.qcow"));
        Files.createDirectory(directory.resolve("vms"));
        assertEquals(
                List.of("convert ", "create "),
                complete("c").stream()
                        .filter(each -> each.startsWith("con") || each.startsWith("cr"))
                        .toList());
        assertEquals(List.of("tap:qcow:"), complete("attach", "tap:qco"));
        assertEquals(
                List.of("tap:qcow:vm.qcow ", "tap:qcow:vms/"),
                complete("attach", "tap:qcow:v").stream().sorted().toList());
        assertEquals(List.of("alpha "), complete("detach", "a"));
        assertEquals(List.of("alpha "), complete("detach", ""), "options are for who has typed a dash");
        assertEquals(
                List.of("--force ", "--help "),
                complete("detach", "-").stream().sorted().toList());
        assertEquals(List.of(), complete("frobnicate", ""));
        assertEquals(TestVerbs.NAMES.size(), complete().size());
    }

    private List<String> complete(String... words) {
        StringWriter out = new StringWriter();
        List<String> arguments = new ArrayList<>(List.of("complete", "--"));
        arguments.addAll(List.of(words));
        assertEquals(
                0,
                TestVerbs.VERBS.execute(core.in(directory), arguments, new PrintWriter(out), new PrintWriter(out)),
                out::toString);
        return out.toString().lines().toList();
    }

    @Test
    void valuesOfOptions() {
        assertEquals(List.of("nbd"), after("attach --node "));
        assertEquals(List.of(), after("attach --id "));
        assertTrue(after("list ").contains("--json"));
    }

    @Test
    void nothingForWhatIsNotKnownOrNotThere() throws Exception {
        assertEquals(List.of(), after("frobnicate "));
        Completion alone = of(new Surroundings(() -> null, () -> null, directory, false), List.of());
        assertEquals(
                List.of("--force", "--help"),
                alone.complete(List.of("detach"), "").stream()
                        .map(Completion.Proposal::value)
                        .sorted()
                        .toList());
        Files.createFile(directory.resolve("a.img"));
        assertTrue(alone.complete(List.of("convert"), "tap:raw:a").stream()
                .map(Completion.Proposal::value)
                .toList()
                .contains("tap:raw:a.img"));
    }
}
