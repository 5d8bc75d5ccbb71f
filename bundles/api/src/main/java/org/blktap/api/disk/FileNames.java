package org.blktap.api.disk;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * File names as text. To Linux a name is bytes, and they need not be UTF-8. In the text of this class a byte that is no
 * part of valid UTF-8 is a lone surrogate, U+DC80 to U+DCFF for 0x80 to 0xFF, so that the text turns into the same
 * bytes again. All other names are their usual text. Python calls this "surrogateescape".
 *
 * <p>{@link Path#of} refuses such text, and {@link Path#toString} replaces such bytes: whoever opens files that an
 * operator or an image names uses {@link #path} and {@link #text} instead.
 */
public final class FileNames {
    private static final char FIRST = '\udc80';
    private static final char LAST = '\udcff';
    /** This is added to a byte: U+DC00. */
    private static final int BASE = 0xdc00;

    private static final char REPLACEMENT = '\ufffd';
    private static final Path ROOT = Path.of("/");

    private FileNames() {}

    /** Decodes a name from an image or an argument. */
    public static String text(byte[] name) {
        return text(ByteBuffer.wrap(name));
    }

    /** Decodes the rest of a buffer, whose position stays. */
    public static String text(ByteBuffer name) {
        ByteBuffer in = name.duplicate();
        // a byte gives one character at most
        CharBuffer out = CharBuffer.allocate(in.remaining());
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        CoderResult result = decoder.decode(in, out, true);
        while (result.isError()) {
            for (int i = result.length(); i > 0; i--) {
                out.put((char) (BASE + (in.get() & 0xff)));
            }
            result = decoder.decode(in, out, true);
        }
        return out.flip().toString();
    }

    /** The text of a path, for a spec, a record or a message. */
    public static String text(Path path) {
        String text = path.toString();
        return text.indexOf(REPLACEMENT) < 0 ? text : text(bytes(path));
    }

    /**
     * Encodes a name for an image, a socket or the kernel.
     *
     * @throws InvalidPathException for text that stands for no bytes: a surrogate without its other half that is not
     *     one of this class
     */
    public static byte[] bytes(String text) {
        if (!isRaw(text)) {
            return text.getBytes(StandardCharsets.UTF_8);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length() * 2);
        int done = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (isLone(text, i)) {
                if (c < FIRST || c > LAST) {
                    throw new InvalidPathException(text, "half a character", i);
                }
                bytes.writeBytes(text.substring(done, i).getBytes(StandardCharsets.UTF_8));
                bytes.write(c - BASE);
                done = i + 1;
            }
        }
        bytes.writeBytes(text.substring(done).getBytes(StandardCharsets.UTF_8));
        return bytes.toByteArray();
    }

    /** The bytes of a path as the kernel has them. */
    public static byte[] bytes(Path path) {
        // they are in its URI only, which is absolute, and ends with a slash for a directory
        ByteBuffer bytes = PercentCoding.decodeBytes(ROOT.resolve(path).toUri().getRawPath());
        int length = bytes.remaining();
        int end = length > 1 && bytes.get(length - 1) == '/' ? length - 1 : length;
        return Arrays.copyOfRange(bytes.array(), path.isAbsolute() ? 0 : 1, end);
    }

    /**
     * The path that a text names, with its very bytes.
     *
     * @throws InvalidPathException for text that no file can have as its name, for example with a NUL in it
     */
    public static Path path(String text) {
        if (!isRaw(text)) {
            return Path.of(text);
        }
        if (text.indexOf('\0') >= 0) {
            throw new InvalidPathException(text, "a NUL character");
        }
        Path absolute = Path.of(URI.create("file://" + PercentCoding.encode(("/" + text).replaceAll("/+", "/"))));
        return text.startsWith("/") ? absolute : absolute.subpath(0, absolute.getNameCount());
    }

    /** Whether a text has bytes in it that are not UTF-8, or half characters. */
    public static boolean isRaw(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (isLone(text, i)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Writes each lone surrogate as {@code \}{@code udcXX}, which JSON and properties files understand: what results
     * can be encoded as UTF-8.
     */
    public static String escaped(String text) {
        if (!isRaw(text)) {
            return text;
        }
        StringBuilder escaped = new StringBuilder(text.length() + 16);
        for (int i = 0; i < text.length(); i++) {
            if (isLone(text, i)) {
                escaped.append(String.format("\\u%04x", (int) text.charAt(i)));
            } else {
                escaped.append(text.charAt(i));
            }
        }
        return escaped.toString();
    }

    private static boolean isLone(String text, int i) {
        char c = text.charAt(i);
        if (Character.isHighSurrogate(c)) {
            return i + 1 == text.length() || !Character.isLowSurrogate(text.charAt(i + 1));
        }
        return Character.isLowSurrogate(c) && (i == 0 || !Character.isHighSurrogate(text.charAt(i - 1)));
    }
}
