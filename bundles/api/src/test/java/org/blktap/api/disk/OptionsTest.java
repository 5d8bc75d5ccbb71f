package org.blktap.api.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionsTest {
    @Test
    void aNameMayHaveOptions() throws DiskException {
        assertEquals("xen:guest/xvda", Options.nameIn("xen:guest/xvda,queues=2"));
        assertEquals("ram", Options.nameIn("ram"));
        assertEquals("", Options.nameIn(",a=1"));
        assertEquals(
                Map.of("queues", "2", "path", "/a=b", "empty", ""),
                Options.valuesIn("nbd,queues=1,path=/a=b,empty=,queues=2", "bad node"));
        assertEquals(Map.of(), Options.valuesIn("ram", "bad node"));
        assertEquals(Map.of(), Options.valuesIn("ram,", "bad node"));
        for (String bad : List.of("nbd,a", "nbd,=1", "nbd,,a=1")) {
            DiskException e = assertThrows(DiskException.class, () -> Options.valuesIn(bad, "bad node"), bad);
            assertEquals(DiskException.Reason.BAD_OPTION, e.reason());
            assertTrue(e.getMessage().matches("bad node: '(a|=1|)' is not key=value"), e.getMessage());
        }
    }

    @Test
    void pairsAreKeysAndValues() throws DiskException {
        assertEquals(Map.of("a", "x=y", "b", ""), Options.pairs(List.of("a=1", "b=", "a=x=y")));
        for (String bad : List.of("a", "=1", "")) {
            DiskException e = assertThrows(DiskException.class, () -> Options.pairs(List.of(bad)), bad);
            assertEquals("'" + bad + "' is not key=value", e.getMessage());
        }
    }

    @Test
    void aSizeMayHaveBounds() throws DiskException {
        assertEquals(1 << 20, new Options(Map.of("cache", "1M")).size("cache", 0, 64 << 10, 1 << 30));
        assertEquals(64 << 10, Options.none().size("cache", 64 << 10, 64 << 10, 1 << 30));
        for (String bad : List.of("1023", "2G", "x")) {
            DiskException e = assertThrows(
                    DiskException.class,
                    () -> new Options(Map.of("cache", bad)).size("cache", 0, 64 << 10, 1 << 30),
                    bad);
            assertEquals(DiskException.Reason.BAD_OPTION, e.reason());
        }
        assertEquals(
                "bad option cache=1023: expected 64K to 1G",
                assertThrows(
                                DiskException.class,
                                () -> new Options(Map.of("cache", "1023")).size("cache", 0, 64 << 10, 1 << 30))
                        .getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "512, 512",
        "1024, 1K",
        "20971520, 20M",
        "10737418240, 10G",
        "1536, 1536",
        "1572864, 1536K",
        "1125899906842624, 1024T"
    })
    void sizesAreWrittenAsTheyAreRead(long bytes, String text) {
        assertEquals(text, Options.sizeText(bytes));
        assertEquals(bytes, Options.parseSize(text));
    }
}
