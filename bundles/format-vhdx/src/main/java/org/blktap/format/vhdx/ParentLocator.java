package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;

/** How a differencing image names its parent: keys and values, UTF-16. [MS-VHDX] section 2.6.2.6. */
final class ParentLocator {
    private static final int AT_LOCATOR_TYPE = 0;
    private static final int AT_KEY_VALUE_COUNT = 18;
    static final int HEADER_BYTES = 20;
    // an entry
    private static final int AT_KEY_OFFSET = 0;
    private static final int AT_VALUE_OFFSET = 4;
    private static final int AT_KEY_LENGTH = 8;
    private static final int AT_VALUE_LENGTH = 10;
    static final int ENTRY_BYTES = 12;
    /** The parent is a VHDX image. */
    static final UUID TYPE = UUID.fromString("b04aefb7-d19e-4a81-b789-25b8e9445913");

    private static final String LINKAGE = "parent_linkage";
    private static final String LINKAGE_2 = "parent_linkage2";
    private static final String RELATIVE_PATH = "relative_path";
    private static final String VOLUME_PATH = "volume_path";
    private static final String ABSOLUTE_PATH = "absolute_win32_path";
    /** Most characters of a path in a new locator. */
    private static final int LONGEST_PATH = 4096;

    /** Most entries, of which the specification knows five; each may be 128 KiB long, wherever it is in the item. */
    private static final int MOST_ENTRIES = 32;

    private ParentLocator() {}

    /** @param at bytes from the beginning of the file to the item, for errors */
    static Map<String, String> parse(ByteBuffer bytes, Object file, long at) throws DiskException {
        UUID type = Layout.guid(bytes, AT_LOCATOR_TYPE);
        if (!type.equals(TYPE)) {
            throw DiskException.corrupt(file, "parent locator field LocatorType", at, type, TYPE);
        }
        int count = Short.toUnsignedInt(bytes.getShort(AT_KEY_VALUE_COUNT));
        if (count > MOST_ENTRIES || count > (bytes.limit() - HEADER_BYTES) / ENTRY_BYTES) {
            throw DiskException.corrupt(
                    file,
                    "parent locator field KeyValueCount",
                    at + AT_KEY_VALUE_COUNT,
                    count,
                    "up to " + MOST_ENTRIES + ", as many as its item of " + bytes.limit() + " bytes holds");
        }
        Map<String, String> values = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            int entry = HEADER_BYTES + i * ENTRY_BYTES;
            String key = text(bytes, entry + AT_KEY_OFFSET, entry + AT_KEY_LENGTH, file, at);
            if (values.put(key, text(bytes, entry + AT_VALUE_OFFSET, entry + AT_VALUE_LENGTH, file, at)) != null) {
                throw DiskException.corrupt(
                        file, "parent locator entry " + i, at + entry, "the key " + key + " once more", "a new key");
            }
        }
        return values;
    }

    private static String text(ByteBuffer bytes, int offsetAt, int lengthAt, Object file, long at)
            throws DiskException {
        long offset = Integer.toUnsignedLong(bytes.getInt(offsetAt));
        int length = Short.toUnsignedInt(bytes.getShort(lengthAt));
        if (length == 0 || length % 2 != 0 || offset + length > bytes.limit()) {
            throw DiskException.corrupt(
                    file,
                    "parent locator entry",
                    at + offsetAt,
                    offset + " and " + length + " bytes",
                    "UTF-16 inside its item of " + bytes.limit() + " bytes");
        }
        return new String(bytes.array(), (int) offset, length, StandardCharsets.UTF_16LE);
    }

    /**
     * Returns the DataWriteGuids, of which the parent must have one: that of the parent when the child was made and, if
     * there is a second parent, that one's.
     */
    static List<UUID> linkages(Map<String, String> locator, Object file) throws DiskException {
        List<UUID> linkages = new ArrayList<>();
        linkages.add(guid(LINKAGE, locator.getOrDefault(LINKAGE, ""), file));
        if (locator.containsKey(LINKAGE_2)) {
            linkages.add(guid(LINKAGE_2, locator.get(LINKAGE_2), file));
        }
        return linkages;
    }

    private static UUID guid(String key, String text, Object file) throws DiskException {
        try {
            return UUID.fromString(text.replace("{", "").replace("}", "").toLowerCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new DiskException(
                    DiskException.Reason.CORRUPT,
                    file + ": parent locator: found " + key + " '" + text + "', expected a GUID",
                    e);
        }
    }

    /**
     * Returns the keys and values of a new locator: the parent's path from the image's directory, and its absolute
     * path, with backslashes.
     *
     * @param named the parent's path; a relative one begins at the image's directory
     * @param linkage the parent's DataWriteGuid
     */
    static Map<String, String> of(Path image, String named, UUID linkage) throws DiskException {
        Path path = FileNames.path(named);
        Path directory = image.toAbsolutePath().getParent();
        Path relative = path.isAbsolute() ? directory.relativize(path) : path.normalize();
        return new TreeMap<>(Map.of(
                LINKAGE,
                "{" + linkage + "}",
                RELATIVE_PATH,
                ".\\" + windows(image, relative),
                ABSOLUTE_PATH,
                windows(image, directory.resolve(path).normalize())));
    }

    private static String windows(Path image, Path path) throws DiskException {
        String text = FileNames.text(path);
        if (text.indexOf('\\') >= 0
                || text.length() > LONGEST_PATH
                || !StandardCharsets.UTF_16LE.newEncoder().canEncode(text)) {
            throw new DiskException(
                    DiskException.Reason.BAD_OPTION,
                    image + ": the backing file's name has a backslash, is not UTF-8, or is too long for a VHDX image");
        }
        return text.replace('/', '\\');
    }

    /** Returns the item of a locator. */
    static ByteBuffer bytes(Map<String, String> values) {
        int at = HEADER_BYTES + values.size() * ENTRY_BYTES;
        int length = at;
        for (Map.Entry<String, String> value : values.entrySet()) {
            length += 2 * (value.getKey().length() + value.getValue().length());
        }
        ByteBuffer item = Layout.allocate(length);
        Layout.putGuid(item, AT_LOCATOR_TYPE, TYPE);
        item.putShort(AT_KEY_VALUE_COUNT, (short) values.size());
        int entry = HEADER_BYTES;
        for (Map.Entry<String, String> value : values.entrySet()) {
            byte[] key = value.getKey().getBytes(StandardCharsets.UTF_16LE);
            byte[] text = value.getValue().getBytes(StandardCharsets.UTF_16LE);
            item.putInt(entry + AT_KEY_OFFSET, at)
                    .putInt(entry + AT_VALUE_OFFSET, at + key.length)
                    .putShort(entry + AT_KEY_LENGTH, (short) key.length)
                    .putShort(entry + AT_VALUE_LENGTH, (short) text.length);
            item.put(at, key).put(at + key.length, text);
            at += key.length + text.length;
            entry += ENTRY_BYTES;
        }
        return item;
    }

    /** Possible paths of the parent, best first. */
    static List<String> paths(Map<String, String> locator) {
        return Stream.of(RELATIVE_PATH, VOLUME_PATH, ABSOLUTE_PATH)
                .map(locator::get)
                .filter(path -> path != null)
                .map(path -> path.startsWith(".\\") ? path.substring(2) : path)
                .toList();
    }
}
