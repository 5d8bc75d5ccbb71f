package org.blktap.format.vmdk;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.disk.FileNames;

/** Changes lines of a descriptor that {@link Descriptor} has read; all others keep their bytes. */
final class DescriptorEdit {
    private static final Pattern SECTORS = Pattern.compile("(?s)(\\s*\\w+\\s+)(\\d+)(.*)");
    private static final String CYLINDERS = "ddb.geometry.cylinders";
    private static final int IDE_HEADS = 16;
    private static final int MOST_IDE_CYLINDERS = 16383;
    private static final int MOST_CYLINDERS = 65535;

    /** With their ends; each byte is a character. */
    private final List<String> lines = new ArrayList<>();

    /** @param bytes a zero byte ends them */
    DescriptorEdit(byte[] bytes) {
        String text = new String(bytes, 0, length(bytes), StandardCharsets.ISO_8859_1);
        for (int begin = 0; begin < text.length(); ) {
            int end = text.indexOf('\n', begin) + 1;
            end = end == 0 ? text.length() : end;
            lines.add(text.substring(begin, end));
            begin = end;
        }
    }

    /** Bytes before the zero byte that ends a descriptor. */
    static int length(byte[] bytes) {
        int length = 0;
        while (length < bytes.length && bytes[length] != 0) {
            length++;
        }
        return length;
    }

    /**
     * Names another parent.
     *
     * @param name without quotation marks; null for no parent
     */
    void parent(int cid, String name) {
        set("parentCID", Descriptor.cidText(cid), "CID");
        if (name == null) {
            lines.removeIf(line -> isKey(line, "parentFileNameHint"));
        } else {
            set("parentFileNameHint", '"' + new String(encoded(name), StandardCharsets.ISO_8859_1) + '"', "createType");
        }
    }

    /** Encodes a name as the descriptor says; the bytes of the name where that cannot hold it. */
    private byte[] encoded(String name) {
        String encoding = value("encoding");
        if (encoding != null && !encoding.toUpperCase(java.util.Locale.ROOT).startsWith("UTF")) {
            // the descriptor has been read: the encoding is known, or all its names are ASCII
            if (Charset.isSupported(encoding)
                    && Charset.forName(encoding).newEncoder().canEncode(name)) {
                return name.getBytes(Charset.forName(encoding));
            }
        }
        return FileNames.bytes(name);
    }

    /** Makes the last extent longer or shorter, and the geometry fit. */
    void lastExtent(long extentSectors, long diskSectors) {
        for (int i = lines.size() - 1; i >= 0; i--) {
            Matcher line = SECTORS.matcher(lines.get(i));
            if (Descriptor.EXTENT_BEGIN.matcher(lines.get(i).strip()).matches() && line.matches()) {
                lines.set(i, line.group(1) + extentSectors + line.group(3));
                break;
            }
        }
        String heads = value("ddb.geometry.heads");
        String perTrack = value("ddb.geometry.sectors");
        if (value(CYLINDERS) != null && isNumber(heads) && isNumber(perTrack)) {
            long track = Long.parseLong(heads) * Long.parseLong(perTrack);
            long most = Long.parseLong(heads) == IDE_HEADS ? MOST_IDE_CYLINDERS : MOST_CYLINDERS;
            set(CYLINDERS, '"' + Long.toString(Math.min(most, diskSectors / Math.max(1, track))) + '"', null);
        }
    }

    private static boolean isNumber(String text) {
        return text != null && text.matches("\\d{1,9}");
    }

    private String value(String key) {
        for (String line : lines) {
            Matcher value = Descriptor.VALUE.matcher(line.strip());
            if (isKey(line, key) && value.matches()) {
                return value.group(2) != null ? value.group(2) : value.group(3).strip();
            }
        }
        return null;
    }

    private static boolean isKey(String line, String key) {
        String text = line.strip();
        Matcher value = Descriptor.VALUE.matcher(text);
        return !text.startsWith("#")
                && !Descriptor.EXTENT_BEGIN.matcher(text).matches()
                && value.matches()
                && value.group(1).equalsIgnoreCase(key);
    }

    /** @param after the key of the line after which a new one goes */
    private void set(String key, String value, String after) {
        int place = -1;
        for (int i = 0; i < lines.size(); i++) {
            if (isKey(lines.get(i), key)) {
                String old = lines.get(i).strip();
                String spaces = old.contains(" = ") ? " = " : "=";
                lines.set(i, old.substring(0, key.length()) + spaces + value + end(lines.get(i)));
                return;
            }
            place = after != null && isKey(lines.get(i), after) ? i : place;
        }
        lines.add(place + 1, key + "=" + value + end(lines.get(Math.max(place, 0))));
    }

    private static String end(String line) {
        return line.endsWith("\r\n") ? "\r\n" : "\n";
    }

    byte[] bytes() {
        return String.join("", lines).getBytes(StandardCharsets.ISO_8859_1);
    }
}
