package org.blktap.api.control;

import java.util.List;
import java.util.Map;
import org.blktap.api.disk.TapSpec;

/**
 * What an attach asks for.
 *
 * @param id the attachment's name; null to have one made from the spec
 * @param nodes node specs, {@code kind[:target][,key=value…]}; may be empty
 * @param options the driver's and the core's {@code key=value}
 */
public record AttachRequest(
        TapSpec spec, String id, List<String> nodes, boolean readOnly, Map<String, String> options) {
    public AttachRequest {
        nodes = List.copyOf(nodes);
        options = java.util.Collections.unmodifiableMap(new java.util.LinkedHashMap<>(options));
    }
}
