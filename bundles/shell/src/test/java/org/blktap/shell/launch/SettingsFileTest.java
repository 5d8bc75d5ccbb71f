package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class SettingsFileTest {
    @TempDir
    Path directory;

    private Map<String, Map<String, Object>> read(String json) throws IOException {
        Path file = directory.resolve("a.json");
        Files.writeString(file, json);
        return SettingsFile.read(file);
    }

    @Test
    void sectionsHaveTheirValues() throws IOException {
        assertEquals(Map.of(), read("// nothing yet\n  // \"a\": 1\n{ }\n"));
        assertEquals(Map.of(), read("{} # nothing"));
        assertEquals(Map.of(), SettingsFile.read(directory.resolve("missing.json")));
        assertEquals(
                Map.of(
                        "a",
                        Map.of("n", new BigDecimal("12"), "b", true, "t", "x", "l", List.of("y", "z")),
                        "e",
                        Map.of()),
                read(
                        "{\n# a comment\n\"a\": {\"n\": 12, \"b\": true, \"t\": \"x\", \"l\": [\"y\", \"z\"]}, \"e\": {}}"));
    }

    private void refused(String json, String why) {
        String message = assertThrows(IOException.class, () -> read(json)).getMessage();
        assertTrue(
                message.startsWith(directory.resolve("a.json") + ": ")
                        && message.contains(why)
                        && !message.contains("\n"),
                message);
    }

    @Test
    void whatIsWrongIsSaidWithItsPlace() throws IOException {
        byte[] latin = "{\"a\": {\"b\": \"\u00fc\"}}".getBytes(StandardCharsets.ISO_8859_1);
        Path file = Files.write(directory.resolve("a.json"), latin);
        assertTrue(assertThrows(IOException.class, () -> SettingsFile.read(file))
                .getMessage()
                .endsWith("a.json: is not UTF-8"));
        refused("", "ends too early");
        refused("{\"a\": {\"b\": 1}", "ends too early");
        refused("{\"a\": {\"b\" 1}}", "line 1");
        refused("{\"a\":\n {\"b\": 1}\n}\n{}", "line 4: expected nothing");
        refused("[]", "found a list, expected an object");
        refused("{\n\"drain.seconds\": 1}", "line 2: drain.seconds: found a value, expected an object");
        refused("{\"a\": {\"b\": null}}", "b: found null");
        refused("{\"a\": {\"b\": {}}}", "b: found an object");
        refused("{\"a\": {\"b\": [[1]]}}", "a list in a list");
        refused("{\"a\": {\"b\": 1e999999999}}", "no usable number");
        refused("{\"a\": {\"b\": 1, \"b\": 2}}", "b is there twice");
        refused("{\"a\": {}, \"a\": {}}", "a is there twice");
    }

    @Test
    @Timeout(60)
    void onlyARegularFileOfUsualLengthIsRead() throws Exception {
        assertEquals(
                directory + ": is not a regular file",
                assertThrows(IOException.class, () -> SettingsFile.read(directory))
                        .getMessage());
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        assertEquals(
                fifo + ": is not a regular file",
                assertThrows(IOException.class, () -> SettingsFile.read(fifo)).getMessage());
        refused("{}" + " ".repeat(1 << 20), "is larger than 1048576 bytes");
    }

    @Test
    void aNameOfSeveralLinesIsNoPlace() throws Exception {
        String message = assertThrows(IOException.class, () -> read("{\"a\\nb\": {\"c\": {}}}"))
                .getMessage();
        assertTrue(
                message.endsWith(
                        "a.json: line 1: c: found an object, expected a number, a text, true, false or a list"),
                message);
    }
}
