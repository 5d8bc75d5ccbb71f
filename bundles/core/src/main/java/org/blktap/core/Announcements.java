package org.blktap.core;

import java.util.Map;
import org.blktap.api.event.Events;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** What the core publishes as events. While nobody keeps events, nothing is published. Any thread. */
@Component(service = Announcements.class)
public final class Announcements {
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile Events events;

    void publish(String kind, String id, String text, Map<String, ?> details) {
        Events to = events;
        if (to != null) {
            to.publish(kind, id, text, details);
        }
    }
}
