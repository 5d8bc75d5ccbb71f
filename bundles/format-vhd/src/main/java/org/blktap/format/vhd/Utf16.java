package org.blktap.format.vhd;

import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/** Names in UTF-16, in either byte order: some programs write the specification's fields in the wrong one. */
final class Utf16 {
    private Utf16() {}

    /**
     * Decodes a name.
     *
     * @param specified the order that the specification has, which counts unless the other one makes more sense
     */
    static String decode(ByteBuffer bytes, Charset specified) {
        Charset other =
                specified.equals(StandardCharsets.UTF_16LE) ? StandardCharsets.UTF_16BE : StandardCharsets.UTF_16LE;
        String first = specified.decode(bytes.duplicate()).toString();
        String second = other.decode(bytes.duplicate()).toString();
        String text = ascii(second) > ascii(first) ? second : first;
        return text.startsWith("\ufeff") ? text.substring(1) : text;
    }

    /** Counts ASCII characters: file names have dots, separators and extensions, whatever their script is. */
    private static long ascii(String text) {
        return text.chars().filter(c -> c > ' ' && c < 0x7f).count();
    }
}
