package org.blktap.api.control;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.TapSpec;

/**
 * What an attach asks for. The {@code with} methods return a changed copy.
 *
 * @param id the attachment's name; null to have one made from the spec
 * @param nodes node specs, {@code kind[:target][,key=value…]}; may be empty
 * @param options the driver's and the core's {@code key=value}
 * @param filters filter specs, {@code type[,key=value…]}, from the disk to the nodes; may be empty
 */
public record AttachRequest(
        TapSpec spec,
        String id,
        List<String> nodes,
        boolean readOnly,
        Map<String, String> options,
        List<String> filters) {
    /** Option: what becomes of a request for which the storage has no space left. The core's README has the values. */
    public static final String ON_ENOSPC = "on-enospc";
    /** Option: what becomes of a request that the storage fails with an I/O error. */
    public static final String ON_EIO = "on-eio";

    public AttachRequest {
        nodes = List.copyOf(nodes);
        options = Collections.unmodifiableMap(new LinkedHashMap<>(options));
        filters = List.copyOf(filters);
    }

    /** A request without filters. */
    public AttachRequest(TapSpec spec, String id, List<String> nodes, boolean readOnly, Map<String, String> options) {
        this(spec, id, nodes, readOnly, options, List.of());
    }

    /** Returns a copy for another disk. */
    public AttachRequest withSpec(TapSpec other) {
        return new AttachRequest(other, id, nodes, readOnly, options, filters);
    }

    /** Returns a copy with other nodes. */
    public AttachRequest withNodes(List<String> specs) {
        return new AttachRequest(spec, id, specs, readOnly, options, filters);
    }

    /** Returns a copy with other options. */
    public AttachRequest withOptions(Map<String, String> others) {
        return new AttachRequest(spec, id, nodes, readOnly, others, filters);
    }

    /** Returns a copy that refuses writes. */
    public AttachRequest withoutWrites() {
        return new AttachRequest(spec, id, nodes, true, options, filters);
    }

    /** Returns a copy with other filters. */
    public AttachRequest withFilters(List<String> specs) {
        return new AttachRequest(spec, id, nodes, readOnly, options, specs);
    }
}
