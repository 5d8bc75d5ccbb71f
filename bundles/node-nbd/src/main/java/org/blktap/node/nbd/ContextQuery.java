package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.blktap.api.nbd.Nbd;

/**
 * The data of LIST_META_CONTEXT and SET_META_CONTEXT: u32 name length, name, u32 count, queries of u32 length and text.
 */
final class ContextQuery {
    /** Queries that stand for all contexts that begin so, in LIST only. */
    private static final List<String> WILDCARDS = List.of(Nbd.BASE, Nbd.QEMU, Nbd.QEMU_DIRTY_BITMAP);

    private final Set<String> queries = new HashSet<>();
    private String export;
    private String fault;

    /** @param data bounded by the option's greatest length */
    ContextQuery(ByteBuffer data) {
        fault = parse(data);
    }

    /** What is malformed in it, or null. */
    String fault() {
        return fault;
    }

    /** The name of the export that it is about. */
    String export() {
        return export;
    }

    private String parse(ByteBuffer data) {
        if (data.remaining() < 2 * Integer.BYTES) {
            return "too short";
        }
        long nameLength = Integer.toUnsignedLong(data.getInt());
        if (nameLength > data.remaining() - Integer.BYTES || nameLength > Nbd.MAX_STRING) {
            return "bad length of the name";
        }
        export = string(data, (int) nameLength);
        long count = Integer.toUnsignedLong(data.getInt());
        for (long i = 0; i < count; i++) {
            if (data.remaining() < Integer.BYTES) {
                return "fewer queries than said";
            }
            long length = Integer.toUnsignedLong(data.getInt());
            if (length > data.remaining() || length > Nbd.MAX_STRING) {
                return "bad length of a query";
            }
            queries.add(string(data, (int) length));
        }
        return data.hasRemaining() ? "more data than queries" : null;
    }

    /** Those of an export's contexts that are selected. */
    List<MetaContext> select(ExportInfo of) {
        return of.contexts().stream()
                .filter(context -> queries.contains(context.name()))
                .toList();
    }

    /** Those of an export's contexts that must be listed: all if there is no query. */
    List<MetaContext> list(ExportInfo of) {
        return of.contexts().stream().filter(context -> lists(context.name())).toList();
    }

    private boolean lists(String name) {
        return queries.isEmpty()
                || queries.contains(name)
                || WILDCARDS.stream().anyMatch(each -> name.startsWith(each) && queries.contains(each));
    }

    /** A malformed string becomes one that names no export and no context. */
    static String string(ByteBuffer data, int length) {
        byte[] bytes = new byte[length];
        data.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
