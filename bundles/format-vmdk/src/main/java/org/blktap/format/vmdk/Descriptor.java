package org.blktap.format.vmdk;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Printable;

/**
 * The text that describes a disk: a file of its own, or a part of a sparse extent. Lines {@code key=value}, extent
 * lines, comments. Source: VMware Virtual Disk Format 5.0, "The Descriptor File".
 *
 * @param cid changes when the contents do
 * @param cidOffset bytes from the beginning of the text to the first digit of the CID
 * @param cidDigits digits of the CID
 * @param parentCid CID of the parent when this disk was made on it; {@link #NO_PARENT} without a parent
 * @param parentFileNameHint the parent's path, or null
 * @param extents in the order of the disk
 */
record Descriptor(
        int cid,
        int cidOffset,
        int cidDigits,
        int parentCid,
        String createType,
        FileName parentFileNameHint,
        List<Line> extents) {
    /** Enough for the lines of all extents, with file names of usual length. */
    static final int MAX_BYTES = 256 << 10;

    static final int NO_PARENT = 0xffffffff;
    /** 2 TiB in extents of 2047 MiB, as VMware splits a disk, and some more; each is an open file. */
    static final int MAX_EXTENTS = 1100;
    /** Most sectors of an extent, and of its offset in its file: 512 TiB. */
    private static final long MAX_SECTORS = 1L << 40;

    private static final Set<String> CREATE_TYPES = Set.of(
            "monolithicSparse",
            "monolithicFlat",
            "twoGbMaxExtentSparse",
            "twoGbMaxExtentFlat",
            "2GbMaxExtentSparse",
            "2GbMaxExtentFlat",
            "vmfs",
            "vmfsSparse",
            "vmfsThin",
            "vmfsPreallocated",
            "vmfsEagerZeroedThick",
            "streamOptimized",
            "seSparse",
            "custom");
    /**
     * Access, sectors, type, and perhaps file, offset, partition UUID and device identifier; as libvmdk's description
     * of the format has it.
     */
    private static final Pattern EXTENT = Pattern.compile(
            "(RW|RDONLY|NOACCESS)\\s++(\\d{1,18})\\s++(\\w{1,20})"
                    + "(?:\\s++\"([^\"]++)\"(?:\\s++(\\d{1,18})(?!\\S))?(?:\\s++(?!#)(?:\"[^\"]*+\"|[^\\s\"]++)){0,2})?\\s*+(?:#.*)?",
            Pattern.CASE_INSENSITIVE);

    static final Pattern EXTENT_BEGIN = Pattern.compile("(RW|RDONLY|NOACCESS)\\s.*", Pattern.CASE_INSENSITIVE);
    static final Pattern VALUE = Pattern.compile("([A-Za-z][\\w.]*+)\\s*+=\\s*+(?:\"([^\"]*+)\"|([^\"]*+))\\s*+");
    /** The mark that some editors put before UTF-8, with each byte as a character. */
    private static final String BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf";

    private static final Pattern CID = Pattern.compile("[0-9a-fA-F]{1,8}");

    /** What an extent line allows. */
    enum Access {
        RW,
        RDONLY,
        NOACCESS
    }

    /** The kinds of extent. */
    enum Type {
        SPARSE,
        FLAT,
        ZERO,
        VMFS,
        VMFSSPARSE,
        SESPARSE
    }

    /**
     * An extent line.
     *
     * @param sectors of the disk
     * @param fileName as the descriptor has it; null for ZERO
     * @param offset sectors from the beginning of a flat extent's file
     */
    record Line(Access access, long sectors, Type type, FileName fileName, long offset) {
        Line withSectors(long others) {
            return new Line(access, others, type, fileName, offset);
        }
    }

    /**
     * A name of a file.
     *
     * @param text in the descriptor's encoding
     * @param raw its bytes, as {@link FileNames} has them: code that copies files need not know the encoding
     */
    record FileName(String text, String raw) {
        /** Makes a name for a descriptor in UTF-8. */
        static FileName of(String text) {
            return new FileName(text, text);
        }

        @Override
        public String toString() {
            return text;
        }
    }

    /** A value and where it begins in the text. */
    private record Value(String text, int at) {}

    /**
     * @param bytes the text; a zero byte ends it
     * @param at where it begins in the file, for errors
     */
    static Descriptor parse(byte[] bytes, Object file, long at) throws DiskException {
        int length = 0;
        while (length < bytes.length && bytes[length] != 0) {
            length++;
        }
        // each byte becomes a character; names are decoded once the encoding is known
        String text = new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
        int first = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length() : 0;
        Map<String, Value> values = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        List<Integer> extentLines = new ArrayList<>();
        for (int begin = first; begin < length; begin = end(text, begin) + 1) {
            String line = text.substring(begin, end(text, begin)).strip();
            Matcher value = VALUE.matcher(line);
            if (EXTENT_BEGIN.matcher(line).matches()) {
                extentLines.add(begin);
            } else if (!line.startsWith("#") && value.matches()) {
                int group = value.group(2) != null ? 2 : 3;
                Value found =
                        new Value(value.group(group).stripTrailing(), text.indexOf(line, begin) + value.start(group));
                if (values.putIfAbsent(value.group(1), found) != null
                        && !value.group(1).startsWith("ddb.")) {
                    throw DiskException.corrupt(
                            file, "descriptor key " + value.group(1), at + begin, "a second one", "one");
                }
            }
        }
        Value version = required(values, "version", file, at);
        if (!version.text().matches("[1-4]")) {
            throw DiskException.corrupt(
                    file, "descriptor key version", at + version.at(), quoted(version.text()), "1 to 4");
        }
        String createType = required(values, "createType", file, at).text();
        if (CREATE_TYPES.stream().noneMatch(createType::equalsIgnoreCase)) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": createType " + quoted(createType) + " is not supported; known: "
                            + String.join(", ", CREATE_TYPES.stream().sorted().toList()));
        }
        String encoding =
                values.containsKey("encoding") ? values.get("encoding").text() : StandardCharsets.UTF_8.name();
        Value cid = required(values, "CID", file, at);
        Value hint = values.get("parentFileNameHint");
        if (hint != null && hint.text().isEmpty()) {
            hint = null;
        }
        int parentCid =
                values.containsKey("parentCID") ? cid("parentCID", values.get("parentCID"), file, at) : NO_PARENT;
        if (parentCid != NO_PARENT && hint == null) {
            throw DiskException.corrupt(
                    file, "descriptor key parentFileNameHint", at, "none", "the parent's path, as parentCID is set");
        }
        if (extentLines.size() > MAX_EXTENTS) {
            throw new DiskException(
                    Reason.UNSUPPORTED, file + ": has " + extentLines.size() + " extents, more than " + MAX_EXTENTS);
        }
        List<Line> extents = new ArrayList<>();
        for (int begin : extentLines) {
            extents.add(extent(text.substring(begin, end(text, begin)).strip(), encoding, file, at + begin));
        }
        return new Descriptor(
                cid("CID", cid, file, at),
                cid.at(),
                cid.text().length(),
                parentCid,
                createType,
                hint == null ? null : decoded(hint.text(), encoding, file),
                List.copyOf(extents));
    }

    private static int end(String text, int begin) {
        int end = text.indexOf('\n', begin);
        return end < 0 ? text.length() : end;
    }

    private static Value required(Map<String, Value> values, String key, Object file, long at) throws DiskException {
        Value value = values.get(key);
        if (value == null) {
            throw DiskException.corrupt(file, "descriptor key " + key, at, "none", "one, in a VMDK descriptor");
        }
        return value;
    }

    private static int cid(String key, Value value, Object file, long at) throws DiskException {
        if (!CID.matcher(value.text()).matches()) {
            throw DiskException.corrupt(
                    file, "descriptor key " + key, at + value.at(), quoted(value.text()), "1 to 8 hexadecimal digits");
        }
        return Integer.parseUnsignedInt(value.text(), 16);
    }

    /** @param text each byte as a character; ASCII is the same in all encodings of descriptors */
    private static FileName decoded(String text, String encoding, Object file) throws DiskException {
        if (text.chars().allMatch(c -> c < 0x80)) {
            return FileName.of(text);
        }
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        String raw = FileNames.text(bytes);
        try {
            Charset charset = Charset.forName(encoding);
            return charset.equals(StandardCharsets.UTF_8)
                    ? FileName.of(raw)
                    : new FileName(new String(bytes, charset), raw);
        } catch (IllegalArgumentException e) {
            throw new DiskException(
                    Reason.UNSUPPORTED, file + ": the descriptor's encoding " + quoted(encoding) + " is not known");
        }
    }

    private static Line extent(String line, String encoding, Object file, long at) throws DiskException {
        Matcher part = EXTENT.matcher(line);
        if (!part.matches()) {
            throw DiskException.corrupt(
                    file,
                    "descriptor extent line",
                    at,
                    quoted(line),
                    "access, sectors, type, and perhaps \"file\", offset, partition UUID, device identifier");
        }
        Type type;
        try {
            type = Type.valueOf(part.group(3).toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": an extent of type " + quoted(part.group(3))
                            + " is not supported; known: SPARSE, FLAT, ZERO, VMFS, VMFSSPARSE, SESPARSE");
        }
        long sectors = Long.parseLong(part.group(2));
        long offset = part.group(5) == null ? 0 : Long.parseLong(part.group(5));
        boolean complete = switch (type) {
            case ZERO -> true;
            case FLAT -> part.group(5) != null;
            case VMFS -> part.group(4) != null;
            case SPARSE, VMFSSPARSE, SESPARSE -> part.group(4) != null && offset == 0;
        };
        if (sectors < 1 || sectors > MAX_SECTORS || offset > MAX_SECTORS || !complete) {
            throw DiskException.corrupt(
                    file,
                    "descriptor extent line",
                    at,
                    quoted(line),
                    "1 to " + MAX_SECTORS
                            + " sectors, a file name, for FLAT an offset, and for sparse extents none but 0");
        }
        return new Line(
                Access.valueOf(part.group(1).toUpperCase(Locale.ROOT)),
                sectors,
                type,
                type == Type.ZERO ? null : decoded(part.group(4), encoding, file),
                offset);
    }

    private static String quoted(String text) {
        return "\"" + Printable.of(text, 80) + "\"";
    }

    /** A CID as a descriptor has it. */
    static String cidText(int cid) {
        return String.format(Locale.ROOT, "%08x", cid);
    }

    /** Returns a new CID with as many digits as the old one, to be written over it. */
    String newCid(java.util.random.RandomGenerator random) {
        String found;
        do {
            found = cidText(random.nextInt()).substring(8 - cidDigits);
        } while (Integer.parseUnsignedInt(found, 16) == cid || Integer.parseUnsignedInt(found, 16) == NO_PARENT);
        return found;
    }

    /** The text of a new disk. */
    static String text(int cid, int parentCid, String parentFileNameHint, String createType, List<Line> extents) {
        StringBuilder text = new StringBuilder("# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=")
                .append(cidText(cid))
                .append("\nparentCID=")
                .append(cidText(parentCid))
                .append("\ncreateType=\"")
                .append(createType)
                .append("\"\n");
        if (parentFileNameHint != null) {
            text.append("parentFileNameHint=\"").append(parentFileNameHint).append("\"\n");
        }
        text.append("\n# Extent description\n");
        long sectors = 0;
        for (Line extent : extents) {
            sectors += extent.sectors();
            text.append(extent.access())
                    .append(' ')
                    .append(extent.sectors())
                    .append(' ')
                    .append(extent.type())
                    .append(" \"")
                    .append(extent.fileName())
                    .append('"');
            text.append(extent.type() == Type.FLAT ? " " + extent.offset() + "\n" : "\n");
        }
        // the geometry of an IDE disk
        return text.append("\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"")
                .append(Math.min(16383, sectors / (16 * 63)))
                .append("\"\nddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\n")
                .append("ddb.adapterType = \"ide\"\n")
                .toString();
    }
}
