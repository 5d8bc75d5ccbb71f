package org.blktap.format.vhd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.PercentCoding;
import org.blktap.api.engine.IoFile;
import org.blktap.format.vhd.VhdHeader.ParentLocator;
import org.blktap.image.BackingName;

/**
 * The names of a differencing image's parent: those of its locators, then the one in its header. Layout: the
 * specification's "Dynamic Disk Header Format", "Parent Locator Entries".
 */
final class ParentNames {
    /** Windows, relative to the image's directory, UTF-16 little-endian. */
    static final int W2RU = 0x5732_7275;
    /** Windows, absolute, UTF-16 little-endian. */
    static final int W2KU = 0x5732_6b75;
    /** A file URL, UTF-8. */
    static final int MACX = 0x4d61_6358;
    /** Relative and absolute, in a code page; of Virtual PC's first versions. */
    static final int WI2R = 0x5769_3272;

    static final int WI2K = 0x5769_326b;
    private static final List<Integer> ORDER = List.of(W2RU, W2KU, MACX, WI2R, WI2K);
    /** Bytes of the longest name; longer ones are ignored. */
    static final int LONGEST = 8192;

    private static final String SCHEME = "file://";
    /** The bytes that are not UTF-8, as {@link FileNames} has them. */
    private static final char FIRST_RAW = '\udc80';

    private static final char LAST_RAW = '\udcff';

    private ParentNames() {}

    /**
     * The parent's names in the order in which they are tried: relative ones first, as an image and its parent are
     * moved together.
     */
    static Set<String> names(VhdImage image, IoFile file) throws DiskException {
        Set<String> names = new LinkedHashSet<>();
        for (int code : ORDER) {
            for (ParentLocator locator : image.header().locators()) {
                if (locator.code() == code && locator.isInside(image.limit()) && locator.length() <= LONGEST) {
                    add(names, read(locator, file));
                }
            }
        }
        String own = image.header().parentName().replace('\\', '/');
        add(names, own.substring(own.lastIndexOf('/') + 1));
        if (names.isEmpty()) {
            throw DiskException.corrupt(
                    file.path(),
                    "header field parent_unicode_name",
                    image.header().at() + VhdHeader.AT_PARENT_NAME,
                    "no name",
                    "the parent's, there or in a parent locator (W2ru, W2ku, MacX, Wi2r, Wi2k)");
        }
        return names;
    }

    private static void add(Set<String> names, String name) {
        if (name != null && !name.isEmpty() && name.indexOf('\0') < 0) {
            names.add(name);
        }
    }

    private static String read(ParentLocator locator, IoFile file) throws DiskException {
        ByteBuffer b = ByteBuffer.allocate((int) locator.length());
        try {
            file.readFully(b, locator.offset());
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read a parent locator", e);
        }
        return decode(locator.code(), b.flip());
    }

    /** Decodes a name to a path of this system; null if it is none. */
    static String decode(int code, ByteBuffer b) {
        String text = switch (code) {
            case MACX -> FileNames.text(b);
            case W2RU, W2KU -> Utf16.decode(b, StandardCharsets.UTF_16LE);
            default -> ansi(b);
        };
        if (text == null || text.indexOf('\ufffd') >= 0) {
            return null;
        }
        while (text.endsWith("\0")) {
            text = text.substring(0, text.length() - 1);
        }
        if (code == MACX) {
            if (!text.startsWith(SCHEME)) {
                return null;
            }
            // libvhd escapes nothing: what is no escape stays
            text = PercentCoding.decode(text.substring(SCHEME.length()));
            text = text.startsWith("localhost/") ? text.substring("localhost".length()) : text;
        } else {
            text = text.replace('\\', '/');
            text = text.matches("(?s)[A-Za-z]:/.*") ? text.substring(2) : text;
        }
        return text.startsWith("./") ? text.substring(2) : text;
    }

    private static String strict(ByteBuffer b, Charset charset) {
        try {
            return charset.newDecoder().decode(b.duplicate()).toString();
        } catch (CharacterCodingException e) {
            return null;
        }
    }

    /** Decodes a name in the writer's code page, which is not known; most often it is that of Western Europe. */
    private static String ansi(ByteBuffer b) {
        String text = strict(b, StandardCharsets.UTF_8);
        return text != null
                ? text
                : Charset.forName("windows-1252").decode(b.duplicate()).toString();
    }

    /**
     * Encodes a new image's locators. As libvhd does, all three have the path from the image's directory. UTF-16 cannot
     * hold bytes that are not UTF-8: a name with such bytes is in the URL only, escaped.
     */
    static List<Encoded> encode(Path image, String named) throws DiskException {
        Path path = FileNames.path(named);
        String relative = FileNames.text(
                path.isAbsolute() ? BackingName.withoutLinks(image).getParent().relativize(path) : path.normalize());
        if (relative.indexOf('\\') >= 0 || relative.length() > LONGEST / 4) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    image + ": the backing file's name has a backslash or is too long for a VHD image");
        }
        byte[] url = (SCHEME + "./" + PercentCoding.encode(relative, c -> c != '%' && (c < FIRST_RAW || c > LAST_RAW)))
                .getBytes(StandardCharsets.UTF_8);
        byte[] windows = (".\\" + relative.replace('/', '\\')).getBytes(StandardCharsets.UTF_16LE);
        return List.of(new Encoded(MACX, url), new Encoded(W2KU, windows), new Encoded(W2RU, windows));
    }

    /** One locator's code and name. */
    record Encoded(int code, byte[] name) {}
}
