package org.blktap.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Field;
import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.Test;

class ErrnoTest {
    @Test
    void everyNumberOfTheKernelIsInWords() {
        assertEquals("success", Errno.text(0));
        assertEquals("ENOSPC (no space left on device)", Errno.text(Errno.ENOSPC));
        assertEquals("EMFILE (too many open files)", Errno.text(24));
        assertEquals("ENAMETOOLONG (file name too long)", Errno.text(36));
        assertEquals("EADDRINUSE (address already in use)", Errno.text(98));
        assertEquals("ESHUTDOWN (shut down)", Errno.text(Errno.ESHUTDOWN));
        assertEquals("EDQUOT (disk quota exceeded)", Errno.text(122));
        assertEquals("EHWPOISON (memory page has hardware error)", Errno.text(133));
        for (int errno = 1; errno <= 133; errno++) {
            // 41 and 58 are second names on other processors
            boolean unused = errno == 41 || errno == 58;
            assertEquals(unused, Errno.text(errno).startsWith("unknown"), Errno.text(errno));
            assertTrue(unused || Errno.text(errno).matches("E[A-Z0-9]+ \\(.+\\)"), Errno.text(errno));
        }
        assertEquals("unknown error -1", Errno.text(-1));
        assertEquals("unknown error 4096", Errno.text(4096));
    }

    @Test
    void constantsHaveTheKernelsNumbers() throws Exception {
        for (Field each : Errno.class.getFields()) {
            String text = Errno.text(each.getInt(null));
            assertTrue(text.startsWith(each.getName() + " ("), each.getName() + " is " + text);
        }
    }
}
