package org.blktap.image;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import java.io.IOException;
import java.io.StringReader;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;

/**
 * The name of a file as QEMU writes it into an image: a plain path, a path after a protocol ({@code file:/vm/a.img}),
 * or options in JSON ({@code json:{"driver":"qcow2","file":{"driver":"file","filename":"/vm/a.img"}}}). Names of
 * anything but a plain file or an image of a Ceph cluster ({@code rbd:pool/image@snapshot}) are refused, with the
 * protocol or option in the message. The result is still a name from an image, which
 * {@link org.blktap.api.disk.DiskContext#confine} judges.
 *
 * @param file a path
 * @param format QEMU's name of the format that the JSON options give; the protocol of a name that is no file's; null if
 *     there is none
 */
public record QemuName(String file, String format) {
    private static final String JSON = "json:";
    private static final String RBD = "rbd:";
    /** Protocols, and drivers of JSON options, that are files and block devices of this machine. */
    private static final Set<String> FILE_DRIVERS = Set.of("file", "host_device");
    /** Our types of disk by the names that QEMU gives formats. */
    private static final Map<String, String> TYPES =
            Map.of("raw", "aio", "qcow", "qcow", "qcow2", "qcow2", "vmdk", "vmdk", "vpc", "vhd", "vhdx", "vhdx");
    /** Options that change how QEMU accesses a file, but never its contents. */
    private static final Set<String> HARMLESS = Set.of(
            "node-name",
            "read-only",
            "auto-read-only",
            "force-share",
            "discard",
            "detect-zeroes",
            "cache",
            "cache.direct",
            "cache.no-flush",
            "cache.writeback",
            "aio",
            "aio-max-batch",
            "locking",
            "drop-cache",
            "x-check-cache-dropped");

    private static final String DRIVER = "driver";
    private static final String FILE_NAME = "filename";
    private static final String FILE_PREFIX = "file.";
    /** Depth of objects within objects; QEMU's own names have one. */
    private static final int DEEPEST = 4;

    /**
     * Reads a name.
     *
     * @param image the image with the name, for messages
     * @param what what the name is for, for messages
     */
    public static QemuName parse(Object image, String what, String text) throws DiskException {
        String named = image + ": " + what + " " + text;
        if (text.startsWith(RBD)) {
            return new QemuName(clusterImage(named, text), "rbd");
        }
        return text.startsWith(JSON) ? fromOptions(named, text) : new QemuName(path(named, text), null);
    }

    /**
     * The image in {@code rbd:pool/image@snapshot[:option=value…]}. How its cluster is reached is not an image's to
     * say.
     */
    private static String clusterImage(String named, String text) throws DiskException {
        int colon = text.indexOf(':', RBD.length());
        String image = text.substring(RBD.length(), colon < 0 ? text.length() : colon);
        if (image.isEmpty() || image.indexOf('\\') >= 0) {
            throw unsupported(named, "names no image of a cluster: expected rbd:POOL/IMAGE[@SNAPSHOT]");
        }
        return image;
    }

    /** Whether the name is that of something that others serve, with its type. */
    public boolean isRemote() {
        return format != null && TapSpec.isRemote(format);
    }

    /** Encodes the name of a backing image of any type for an image. */
    public static String encode(String type, String name) {
        return TapSpec.isRemote(type) ? type + ":" + name : encode(name);
    }

    /** Encodes a path for an image: one that QEMU would take for a protocol gets {@code ./} before it. */
    public static String encode(String path) {
        return protocol(path) == null ? path : "./" + path;
    }

    /**
     * Returns our type of disk for QEMU's name of a format, in JSON options or a header; null for null, and the name
     * itself for an unknown format.
     */
    public static String typeOf(String format) {
        return format == null ? null : FILE_DRIVERS.contains(format) ? "aio" : TYPES.getOrDefault(format, format);
    }

    /** QEMU's name of the format of one of our types. */
    public static String formatOf(String type) {
        return switch (type) {
            case "aio", "sync", "ram", "rbd" -> "raw";
            case "vhd" -> "vpc";
            default -> type;
        };
    }

    /**
     * Returns the protocol as QEMU finds it: the text before the first colon, unless a slash comes before it. Null for
     * none.
     */
    private static String protocol(String text) {
        int colon = text.indexOf(':');
        int slash = text.indexOf('/');
        return colon < 0 || slash >= 0 && slash < colon ? null : text.substring(0, colon);
    }

    private static String path(String named, String text) throws DiskException {
        String protocol = protocol(text);
        if (protocol == null) {
            return text;
        }
        if (!FILE_DRIVERS.contains(protocol)) {
            throw unsupported(
                    named,
                    "is of the protocol " + protocol
                            + ", which is not opened from an image; a file of that name would be ./" + text);
        }
        String path = text.substring(protocol.length() + 1);
        if (path.startsWith("//") && !path.startsWith("///")) {
            throw unsupported(
                    named, "names a file of another host; expected " + protocol + ":PATH or " + protocol + ":///PATH");
        }
        if (path.isEmpty()) {
            throw unsupported(named, "names no file");
        }
        return path.startsWith("//") ? path.substring(2) : path;
    }

    private static QemuName fromOptions(String named, String text) throws DiskException {
        Map<String, String> options = new TreeMap<>();
        try (JsonReader reader = new JsonReader(new StringReader(text.substring(JSON.length())))) {
            // QEMU accepts single quotes too
            reader.setStrictness(Strictness.LENIENT);
            object(named, reader, "", options, 0);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw unsupported(named, "has something after its JSON object");
            }
        } catch (MalformedJsonException | IllegalStateException | java.io.EOFException e) {
            throw unsupported(named, "is not a JSON object: " + e.getMessage());
        } catch (IOException e) {
            throw DiskException.io(named, "read its JSON object", e);
        }
        return meaning(named, options);
    }

    /** Adds the options of an object. As in QEMU, the keys of an inner object follow its own key and a dot. */
    private static void object(String named, JsonReader reader, String prefix, Map<String, String> options, int depth)
            throws IOException, DiskException {
        if (depth == DEEPEST) {
            throw unsupported(named, "has an option " + prefix + " that is not known here");
        }
        reader.beginObject();
        while (reader.hasNext()) {
            String key = prefix + reader.nextName();
            JsonToken token = reader.peek();
            if (token == JsonToken.BEGIN_OBJECT) {
                object(named, reader, key + ".", options, depth + 1);
                continue;
            }
            String value = switch (token) {
                case STRING, NUMBER -> reader.nextString();
                case BOOLEAN -> Boolean.toString(reader.nextBoolean());
                default -> throw unsupported(named, "has an option " + key + " that is neither text nor a number");
            };
            if (options.put(key, value) != null) {
                throw unsupported(named, "has the option " + key + " twice");
            }
        }
        reader.endObject();
    }

    private static QemuName meaning(String named, Map<String, String> options) throws DiskException {
        String driver = options.remove(DRIVER);
        boolean isFile = driver != null && FILE_DRIVERS.contains(driver);
        if (driver != null && !isFile && !TYPES.containsKey(driver)) {
            throw unsupported(
                    named,
                    "is of the driver " + driver + "; expected a file, or one of the formats "
                            + String.join(", ", TYPES.keySet().stream().sorted().toList()));
        }
        String fileDriver = options.remove(FILE_PREFIX + DRIVER);
        if (fileDriver != null && (isFile || !FILE_DRIVERS.contains(fileDriver))) {
            throw unsupported(
                    named,
                    "is of the driver " + fileDriver + (driver == null ? "" : " under " + driver)
                            + "; expected a file");
        }
        String top = options.remove(FILE_NAME);
        String inner = isFile ? null : options.remove(FILE_PREFIX + FILE_NAME);
        if (top == null == (inner == null)) {
            throw unsupported(
                    named, "names " + (top == null ? "no file: expected an option file.filename" : "two files"));
        }
        for (String key : options.keySet()) {
            boolean ofFile = key.startsWith(FILE_PREFIX) && !isFile;
            if (!HARMLESS.contains(ofFile ? key.substring(FILE_PREFIX.length()) : key)) {
                throw unsupported(named, "has the option " + key + ", which is not known here");
            }
        }
        String name = top == null ? inner : top;
        // with a driver the name is a path, whatever it looks like
        boolean explicit = isFile || fileDriver != null && inner != null;
        if (!explicit && name.startsWith(JSON)) {
            throw unsupported(named, "has JSON options within JSON options");
        }
        return new QemuName(explicit ? name : path(named, name), isFile ? "raw" : driver);
    }

    private static DiskException unsupported(String named, String why) {
        return new DiskException(Reason.UNSUPPORTED, named + ": " + why);
    }
}
