package org.blktap.jobs;

import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason;

/** What a core of a test says of its attachment. */
public final class TestStatus {
    private TestStatus() {}

    public static AttachmentStatus of(
            String id, String spec, State state, long size, Map<String, String> details, List<String> filters) {
        return new AttachmentStatus(
                id,
                spec,
                state,
                StateReason.NONE,
                size,
                512,
                false,
                "none",
                List.of(),
                Map.of(),
                details,
                List.copyOf(filters));
    }
}
