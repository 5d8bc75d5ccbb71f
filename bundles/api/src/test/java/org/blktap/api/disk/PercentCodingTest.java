package org.blktap.api.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PercentCodingTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "/vm/a-b_c.~",
                "a b%c?d=e&f#g+",
                "caf\u00e9 \ud83d\ude00",
                "caf\udce9\udc80",
                "%41",
                "\u0000\n"
            })
    void whatIsCodedComesBack(String text) {
        String coded = PercentCoding.encode(text);
        assertEquals("", coded.replaceAll("[A-Za-z0-9._~/-]|%[0-9A-F]{2}", ""));
        assertEquals(text, PercentCoding.decode(coded));
    }

    @ParameterizedTest
    @ValueSource(strings = {"%", "%4", "100%", "%zz", "%+1", "%\u00e9\u00e9", "a%%"})
    void whatIsNoCodeStays(String text) {
        assertEquals(text, PercentCoding.decode(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"%2f%41%e9", "/A\udce9"})
    void digitsMayBeSmall(String text) {
        assertEquals("/A\udce9", PercentCoding.decode(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a/b ~\udce9"})
    void aSegmentHasNoSlash(String text) {
        assertEquals("a%2Fb%20~%E9", PercentCoding.encodeSegment(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"caf\u00e9 \udce9 50%"})
    void othersMayBePlain(String text) {
        assertEquals("caf\u00e9 %E9 50%25", PercentCoding.encode(text, c -> c != '%' && c != 0xdce9));
    }
}
