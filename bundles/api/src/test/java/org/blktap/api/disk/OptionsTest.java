package org.blktap.api.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionsTest {
    @ParameterizedTest
    @CsvSource({"0, 0", "512, 512", "1024, 1K", "20971520, 20M", "10737418240, 10G", "1536, 1536", "1572864, 1536K", "1125899906842624, 1024T"})
    void sizesAreWrittenAsTheyAreRead(long bytes, String text) {
        assertEquals(text, Options.sizeText(bytes));
        assertEquals(bytes, Options.parseSize(text));
    }
}
