package org.blktap.api.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SettingTest {
    private static final String NAME = "blktap.test.setting";

    @AfterEach
    void clear() {
        System.clearProperty(NAME);
    }

    @Test
    void usesTheDefaultIfNothingIsSet() {
        assertEquals(7, Setting.number(NAME, 7, 1, 10));
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "10", " 5 "})
    void usesWhatIsInRange(String text) {
        System.setProperty(NAME, text);
        assertEquals(Long.parseLong(text.strip()), Setting.number(NAME, 7L, 1L, 10L));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "abc", "-1", "0", "11", "5s", "1.5", "0x5", "99999999999999999999"})
    void usesTheDefaultForWhatIsNot(String text) {
        System.setProperty(NAME, text);
        assertEquals(7, Setting.number(NAME, 7, 1, 10));
    }

    @Test
    void reportsAValueOnce() {
        List<String> lines = new java.util.ArrayList<>();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord record) {
                lines.add(record.getMessage());
            }

            @Override
            public void flush() {
            }

            @Override
            public void close() {
            }
        };
        Logger logger = Logger.getLogger("org.blktap.settings");
        logger.addHandler(handler);
        try {
            System.setProperty(NAME, "many");
            Setting.number(NAME, 7, 1, 10);
            Setting.number(NAME, 7, 1, 10);
        } finally {
            logger.removeHandler(handler);
        }
        assertEquals(List.of("-Dblktap.test.setting=many: not a number from 1 to 10; the default of 7 is used"), lines);
    }
}
