package org.blktap.filter.luks;

import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Printable;

/**
 * An object of the metadata, whose members are read one by one, each with its allowed type and range.
 *
 * @param file for messages
 * @param offset of the JSON area, for messages
 * @param path of this object, as {@code keyslots/0/kdf}
 */
record JsonPart(String file, long offset, String path, Map<String, Object> members) {
    private static final int SHOWN = 60;

    boolean has(String member) {
        return members.get(member) != null;
    }

    /** The names of the members. */
    Set<String> names() {
        return members.keySet();
    }

    /** A member that is an object. */
    @SuppressWarnings("unchecked") // BoundedJson makes no other maps
    JsonPart part(String member) throws DiskException {
        if (members.get(member) instanceof Map<?, ?> object) {
            return new JsonPart(file, offset, of(member), (Map<String, Object>) object);
        }
        throw wrong(member, "an object");
    }

    String text(String member) throws DiskException {
        if (members.get(member) instanceof String text) {
            return text;
        }
        throw wrong(member, "a string");
    }

    /** A number in {@code [least, most]}. */
    long number(String member, long least, long most) throws DiskException {
        if (members.get(member) instanceof Long number && number >= least && number <= most) {
            return number;
        }
        throw wrong(member, "a number from " + least + " to " + most);
    }

    /** A number of 64 bits, which is stored as a string (LUKS2 1.1, section 3.1), in {@code [0, most]}. */
    long numberInText(String member, long most) throws DiskException {
        if (members.get(member) instanceof String text && text.matches("[0-9]{1,19}")) {
            long number = Long.parseUnsignedLong(text);
            if (number >= 0 && number <= most) {
                return number;
            }
        }
        throw wrong(member, "a string of a number from 0 to " + most);
    }

    /** Bytes in base64 whose number is in {@code [least, most]}. */
    byte[] bytes(String member, int least, int most) throws DiskException {
        String text = text(member);
        if (text.length() <= 2 * most) {
            try {
                byte[] bytes = Base64.getDecoder().decode(text);
                if (bytes.length >= least && bytes.length <= most) {
                    return bytes;
                }
            } catch (IllegalArgumentException e) {
                // reported below, together with a wrong length
            }
        }
        throw wrong(member, least + " to " + most + " bytes in base64");
    }

    /** Whether a member that is a list of strings has one. */
    boolean lists(String member, String element) throws DiskException {
        if (members.get(member) instanceof List<?> list) {
            return list.contains(element);
        }
        throw wrong(member, "a list");
    }

    /** Refuses a text other than the supported one. */
    void supported(String member, String expected) throws DiskException {
        if (!text(member).equals(expected)) {
            throw unsupported(member, expected);
        }
    }

    /** A hash function. */
    HashSpec hash(String member) throws DiskException {
        HashSpec hash = HashSpec.named(text(member));
        if (hash == null) {
            throw unsupported(member, HashSpec.names());
        }
        return hash;
    }

    DiskException wrong(String member, String expected) {
        return DiskException.corrupt(file, "LUKS2 metadata " + of(member), offset, shown(member), expected);
    }

    DiskException unsupported(String member, String expected) {
        return new DiskException(
                Reason.UNSUPPORTED,
                file + ": LUKS2 metadata " + of(member) + " at offset " + offset + ": found " + shown(member)
                        + ", supported: " + expected);
    }

    private String of(String member) {
        return path.isEmpty() ? member : path + "/" + Printable.of(member, SHOWN);
    }

    private String shown(String member) {
        Object found = members.get(member);
        if (found == null) {
            return "nothing";
        }
        if (found instanceof Map) {
            return "an object";
        }
        if (found instanceof List<?> list) {
            return "a list of " + list.size();
        }
        return "'" + Printable.of(found.toString(), SHOWN) + "'";
    }
}
