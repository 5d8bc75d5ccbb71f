package org.blktap.shell.pages;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.shell.TestVerbs;
import org.blktap.shell.verbs.ClassCatalog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.Model.OptionSpec;

/** The files that the build makes from the declarations. */
class PagesTest {
    @TempDir
    Path directory;

    private static String run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), out);
        return out.strip();
    }

    /** Runs verbs.sh as bin/blktap does, for one command. */
    private String declared(String... words) throws Exception {
        Path index = directory.resolve("verbs.sh");
        if (!Files.exists(index)) {
            Files.writeString(index, VerbIndex.of(new ClassCatalog(TestVerbs.CLASSES)));
        }
        List<String> command = new ArrayList<>(List.of(
                "sh",
                "-euc",
                ". \"$0\"; declared \"$@\"; echo $runs ${class##*.} $long $alone $ids",
                index.toString()));
        command.addAll(List.of(words));
        return run(command.toArray(String[]::new));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Create",
                "Map:MapExtents",
                "Qcow-create:QcowCreateVerb",
                "Check long=yes",
                "Convert long=yes",
                "Img2qcow long=yes",
                "Qcow2raw long=yes"
            })
    void workOnImagesIsTheClients(String expected) throws Exception {
        String verb = expected.replaceAll("[: ].*", "").toLowerCase(java.util.Locale.ROOT);
        String type = expected.replaceAll(".*:", "").replaceAll(" .*", "");
        assertEquals("client " + type + (expected.endsWith("yes") ? " yes" : "") + " -1", declared(verb, "tap:raw:/a"));
    }

    @Test
    void theRestIsTheDaemonsOrDepends() throws Exception {
        assertEquals("client_for_images Info -1 yes", declared("info", "tap:raw:/a"));
        assertEquals("client_for_images Resize -1 yes", declared("resize", "a"));
        assertEquals("daemon -1 yes", declared("detach"));
        assertEquals("program -1", declared("xen-setup"));
        assertEquals("anywhere -1", declared("help"));
        for (String verb : List.of("attach", "frobnicate", "--help", "check convert", "*", "")) {
            assertEquals("daemon -1", declared(verb), verb);
        }
        assertEquals("daemon -1", declared());
        assertEquals("daemon -1", declared("tap-ctl", "open"));
        // scripts call these while a daemon starts: no JVM must be started to find that there is none
        assertEquals("anywhere 1", declared("list"));
        assertEquals("daemon 1 yes", declared("stats"));
        for (String verb : List.of("status", "drivers", "nodes", "engines")) {
            assertEquals("daemon 1", declared(verb), verb);
        }
        assertEquals("daemon 2", declared("tap-ctl", "list"));
    }

    @Test
    void theManualPageHasAllVerbsWithTheirOptions() throws Exception {
        String page = ManualPage.of(TestVerbs.VERBS, "3.0");
        for (var verb : TestVerbs.VERBS.catalog().all()) {
            int begin = page.indexOf(".SS \"" + verb.name().replace("-", "\\-") + " ");
            begin = begin >= 0 ? begin : page.indexOf(".SS \"" + verb.name().replace("-", "\\-") + "\"");
            assertTrue(begin >= 0, verb.name());
            String section = page.substring(begin, page.indexOf("\n.S", begin + 1));
            assertTrue(section.contains(verb.summary().replace("-", "\\-")), section);
            for (OptionSpec option : TestVerbs.VERBS.options(verb)) {
                assertTrue(
                        option.usageHelp()
                                || section.contains(
                                        "\\fB" + option.longestName().replace("-", "\\-") + "\\fR"),
                        section);
            }
        }
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/groff")), "there is no groff");
        Path file = Files.writeString(directory.resolve("blktap.8"), page);
        assertEquals("", run("groff", "-man", "-Tutf8", "-ww", "-z", file.toString()));
    }
}
