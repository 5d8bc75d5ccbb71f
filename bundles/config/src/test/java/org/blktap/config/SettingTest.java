package org.blktap.config;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SettingTest {
    private static final String DESCRIPTION = """
            <?xml version="1.0" encoding="UTF-8"?>
            <metatype:MetaData xmlns:metatype="http://www.osgi.org/xmlns/metatype/v1.4.0">
              <OCD id="x.A" name="A">
                <AD id="count" type="Integer" default="5" min="1" max="10" description="How many."/>
                <AD id="bytes" type="Long" default="96"/>
                <AD id="on" type="Boolean" default="false"/>
                <AD id="level" type="String" default="INFO"><Option label="a" value="INFO"/><Option label="b" value="DEBUG"/></AD>
                <AD id="roots" type="String" cardinality="2147483647" default=""/>
              </OCD>
              <OCD id="x.Unused" name="U"><AD id="nothing" type="Integer" default="1"/></OCD>
              <Designate pid="x.bundle"><Object ocdref="x.A"/></Designate>
            </metatype:MetaData>
            """;

    private static List<Setting> settings(String description) throws IOException {
        return Metatype.read(new ByteArrayInputStream(description.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void aDescriptionHasTheSettingsOfItsPid() throws Exception {
        List<Setting> all = settings(DESCRIPTION);
        assertEquals(
                List.of("count", "bytes", "on", "level", "roots"),
                all.stream().map(Setting::key).toList());
        assertEquals(
                List.of(5, 96L, false, "INFO"),
                all.stream().limit(4).map(Setting::initial).toList());
        assertEquals("x.bundle", all.get(0).section());
        assertEquals("How many.", all.get(0).description());
        assertArrayEquals(new String[0], (String[]) all.get(4).initial());
    }

    @Test
    void whatIsNoDescriptionIsRefused() {
        assertThrows(IOException.class, () -> settings("<OCD"));
        assertThrows(IOException.class, () -> settings(DESCRIPTION.replace("Boolean", "Double")));
        assertThrows(
                IOException.class,
                () -> settings(DESCRIPTION.replace(
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<!DOCTYPE a [<!ENTITY b 'c'>]>")));
        assertThrows(IOException.class, () -> settings("<AD id='a' type='Integer' default='1'/>"));
        assertThrows(IOException.class, () -> settings(DESCRIPTION.replace("id=\"count\"", "")));
    }

    @Test
    void validValuesHaveTheirTypes() throws Exception {
        Map<String, Object> given = new LinkedHashMap<>();
        given.put("count", new BigDecimal("10"));
        given.put("bytes", new BigDecimal("1e10"));
        given.put("on", true);
        given.put("level", "DEBUG");
        given.put("roots", List.of("/a", "/b"));
        SettingsCheck check = SettingsCheck.of("x.bundle", given, settings(DESCRIPTION));
        assertEquals(List.of(), check.problems());
        assertEquals(
                List.of(10, 10_000_000_000L, true, "DEBUG"),
                check.values().values().stream().limit(4).toList());
        assertArrayEquals(new String[] {"/a", "/b"}, (String[]) check.values().get("roots"));
    }

    private static void refused(String key, Object value, String problem) throws IOException {
        SettingsCheck check = SettingsCheck.of("x.bundle", Map.of(key, value), settings(DESCRIPTION));
        assertEquals(Map.of(), check.values());
        assertEquals(1, check.problems().size());
        assertTrue(check.problems().get(0).startsWith("x.bundle: " + key + ": " + problem), check.problems()::toString);
    }

    @Test
    void aProblemNamesKeyFoundAndExpected() throws Exception {
        String number = "expected a whole number from 1 to 10; the default of 5 is used";
        refused("count", new BigDecimal("0"), "found 0, " + number);
        refused("count", new BigDecimal("11"), "found 11, " + number);
        refused("count", new BigDecimal("1.5"), "found 1.5, " + number);
        refused("count", "7", "found \"7\", " + number);
        refused("bytes", new BigDecimal("1e30"), "found 1E+30, expected a whole number; the default of 96 is used");
        refused("on", "yes", "found \"yes\", expected true or false");
        refused("level", "LOUD", "found \"LOUD\", expected one of INFO, DEBUG");
        refused(
                "roots",
                "/a",
                "found \"/a\", expected a list in brackets, each a text in quotation marks; the default of none is used");
        refused("roots", List.of(true), "found [true], expected a list");
        String text = "expected a text without control characters; the default of none is used";
        refused("roots", List.of("/a\0b"), "found [/a\0b], " + text);
        // half a character, which is no byte of a file's name either
        refused("roots", List.of("/a\ud800"), "found [/a\ud800], " + text);
        refused("cuont", true, "there is no such setting; there are count, bytes, on, level, roots");
    }

    @Test
    void theEnvironmentCountsMoreThanTheFile() {
        Map<String, Object> file = Map.of("image.roots", new String[] {"/file"});
        assertArrayEquals(new String[] {"/a", "/b"}, (String[])
                Environment.override("org.blktap.core", file, "/a:/b").get("image.roots"));
        assertEquals(file, Environment.override("org.blktap.core", file, ""));
        assertEquals(Map.of(), Environment.override("org.blktap.linux", Map.of(), "/a"));
    }
}
