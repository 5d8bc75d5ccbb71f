package org.blktap.api.disk;

import java.nio.ByteBuffer;
import java.util.function.IntPredicate;

/**
 * The percent coding of URIs (RFC 3986, 2.1). It encodes the bytes of a text as {@link FileNames} has them, which need
 * not be UTF-8.
 */
public final class PercentCoding {
    /** The unreserved characters of RFC 3986, 2.3, and the slash, which is allowed in paths and queries. */
    private static final String PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

    private PercentCoding() {}

    /** Encodes all characters except letters, digits and {@code -._~/}. */
    public static String encode(String text) {
        return encode(text, c -> PLAIN.indexOf(c) >= 0);
    }

    /** Encodes as {@link #encode(String)} does, and slashes too: for one segment of a path. */
    public static String encodeSegment(String text) {
        return encode(text, c -> c != '/' && PLAIN.indexOf(c) >= 0);
    }

    /**
     * Encodes the characters that are not plain.
     *
     * @param plain whether a code point stays unencoded; called with the lone surrogate for a byte that is not UTF-8
     */
    public static String encode(String text, IntPredicate plain) {
        StringBuilder coded = new StringBuilder(text.length() + 16);
        for (int i = 0; i < text.length(); ) {
            int next = text.offsetByCodePoints(i, 1);
            if (plain.test(text.codePointAt(i))) {
                coded.append(text, i, next);
            } else {
                for (byte b : FileNames.bytes(text.substring(i, next))) {
                    coded.append(String.format("%%%02X", b & 0xff));
                }
            }
            i = next;
        }
        return coded.toString();
    }

    /** Decodes a text. A percent sign without two hexadecimal digits after it stands for itself. */
    public static String decode(String coded) {
        return FileNames.text(decodeBytes(coded));
    }

    /** Decodes a text as {@link #decode} does, and returns the bytes. */
    static ByteBuffer decodeBytes(String coded) {
        byte[] bytes = FileNames.bytes(coded);
        int length = 0;
        for (int i = 0; i < bytes.length; i++) {
            int high = bytes[i] == '%' && i + 2 < bytes.length ? Character.digit(bytes[i + 1], 16) : -1;
            int low = high < 0 ? -1 : Character.digit(bytes[i + 2], 16);
            if (low < 0) {
                bytes[length++] = bytes[i];
            } else {
                bytes[length++] = (byte) (high << 4 | low);
                i += 2;
            }
        }
        return ByteBuffer.wrap(bytes, 0, length);
    }
}
