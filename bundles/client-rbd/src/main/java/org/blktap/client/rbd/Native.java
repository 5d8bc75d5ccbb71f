package org.blktap.client.rbd;

import java.nio.charset.StandardCharsets;
import org.blktap.api.memory.Memory;

/** Text as the libraries have it: UTF-8 that ends with a NUL. */
final class Native {
    /** A text of a library is no longer; what follows is left out. */
    private static final int LONGEST = 4096;

    private Native() {}

    static byte[] text(String text) {
        return (text + '\0').getBytes(StandardCharsets.UTF_8);
    }

    /** Reads a text; empty for address 0. */
    static String textAt(long address) {
        if (address == 0) {
            return "";
        }
        byte[] bytes = new byte[LONGEST];
        int length = 0;
        while (length < LONGEST) {
            byte next = Memory.getByte(address + length);
            if (next == 0) {
                break;
            }
            bytes[length++] = next;
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }
}
