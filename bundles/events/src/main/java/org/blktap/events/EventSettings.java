package org.blktap.events;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change takes effect at once. */
@ObjectClassDefinition(pid = EventSettings.PID, name = "Events", description = "The history of events.")
@Retention(RetentionPolicy.RUNTIME)
@interface EventSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.events";

    @AttributeDefinition(min = "100", max = "100000", description = "Most events that are kept.")
    int history() default 4096;
}
