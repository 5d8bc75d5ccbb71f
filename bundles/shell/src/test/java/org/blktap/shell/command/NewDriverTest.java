package org.blktap.shell.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.blktap.shell.Fakes;
import org.blktap.shell.TestVerbs;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What new-driver writes and refuses; DriverProjectIT builds a project. */
class NewDriverTest {
    @TempDir
    Path directory;

    private String out;
    private String err;

    @BeforeEach
    void makeRepository() throws Exception {
        Files.createDirectories(directory.resolve("a repository&more/org/blktap/api"));
    }

    private int run(String... arguments) {
        StringWriter output = new StringWriter();
        StringWriter error = new StringWriter();
        List<String> all = Stream.concat(
                        Stream.of("new-driver", "--repository", "a repository&more"), Stream.of(arguments))
                .toList();
        int status = TestVerbs.VERBS.execute(
                new Fakes().in(directory), all, new PrintWriter(output), new PrintWriter(error));
        out = output.toString();
        err = error.toString();
        return status;
    }

    @Test
    void writesAProjectForTheType() throws Exception {
        assertEquals(0, run("my-disk", "--group", "com.example"), () -> err);
        Path project = directory.resolve("driver-my-disk");
        String source = "src/main/java/com/example/tapmydisk/MyDiskDriver.java";
        assertEquals(
                Stream.of(
                                "README.md",
                                "pom.xml",
                                source,
                                "src/test/java/com/example/tapmydisk/MyDiskDriverTest.java",
                                ".gitignore")
                        .map(each -> project.resolve(each).toString())
                        .toList(),
                out.lines().toList());
        String driver = Files.readString(project.resolve(source));
        assertTrue(driver.startsWith("package com.example.tapmydisk;\n"), driver);
        assertTrue(driver.contains("@TapType(type = \"my-disk\""), driver);
        assertTrue(driver.contains("class MyDiskDriver implements SimpleDriver"), driver);
        String pom = Files.readString(project.resolve("pom.xml"));
        assertTrue(pom.contains("<artifactId>driver-my-disk</artifactId>"), pom);
        assertTrue(
                pom.contains("<blktap.repository>file://" + directory + "/a%20repository%26more</blktap.repository>"),
                pom);
        for (String each : out.lines().toList()) {
            String text = Files.readString(Path.of(each));
            assertFalse(text.matches("(?s).*@[a-z]+@.*"), each + " has placeholders");
            assertFalse(
                    text.matches("(?s).*<(blktap.)?version>(\\$\\{[a-z.]*version}</blktap|</).*"),
                    each + " lacks a version");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"Mine", "9p", "a/b", "../mine", "a b", "mine\n", ""})
    void refusesWhatIsNoType(String type) throws Exception {
        assertEquals(2, run(type));
        assertTrue(err.startsWith("blktap: bad type "), err);
        try (Stream<Path> files = Files.list(directory)) {
            assertEquals(1, files.count());
        }
    }

    @Test
    void refusesGroupsThatAreNoPackages() {
        assertEquals(2, run("mine", "--group", "com.Example"));
        assertEquals(2, run("mine", "--group", "com..example"));
        assertTrue(err.startsWith("blktap: bad option --group=com..example"), err);
        assertEquals(2, run("mine", "--group", "com.new"));
        assertEquals(2, run("mine", "--group", "int"));
        assertEquals(0, run("int", "--group", "com.newer"), () -> err);
    }

    @Test
    void writesIntoAnEmptyDirectoryOnly() throws Exception {
        Path empty = Files.createDirectory(directory.resolve("empty"));
        assertEquals(0, run("mine", "empty"));
        assertTrue(Files.exists(empty.resolve("pom.xml")));
        String before = Files.readString(empty.resolve("pom.xml"));
        assertEquals(1, run("other", "empty"));
        assertEquals("blktap: " + empty + ": exists already; choose another directory\n", err);
        assertEquals(before, Files.readString(empty.resolve("pom.xml")));
        Files.createFile(directory.resolve("file"));
        assertEquals(1, run("mine", "file"));
    }

    @Test
    void namesARepositoryThatHasNoApi() throws Exception {
        Files.delete(directory.resolve("a repository&more/org/blktap/api"));
        assertEquals(1, run("mine"));
        assertEquals(
                "blktap: " + directory
                        + "/a repository&more: no Maven repository with blktap's api; name one with --repository\n",
                err);
        assertFalse(Files.exists(directory.resolve("driver-mine")));
    }
}
