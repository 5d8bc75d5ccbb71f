package org.blktap.client.rbd;

import java.nio.charset.StandardCharsets;
import org.blktap.api.memory.Memory;

/** Text of the libraries: UTF-8 that ends with a NUL. */
final class Native {
    /** The most bytes of a library's text; the rest is left out. */
    private static final int LONGEST = 4096;

    private Native() {}

    static byte[] text(String text) {
        return (text + '\0').getBytes(StandardCharsets.UTF_8);
    }

    /** Reads a text; returns an empty one for address 0. */
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
