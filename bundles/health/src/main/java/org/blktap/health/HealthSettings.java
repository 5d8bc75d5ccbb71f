package org.blktap.health;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change takes effect with the next check. */
@ObjectClassDefinition(pid = HealthSettings.PID, name = "Health", description = "When a health check complains.")
@Retention(RetentionPolicy.RUNTIME)
@interface HealthSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.health";

    @AttributeDefinition(
            min = "1",
            max = "3600",
            description = "Seconds that one turn of a loop may take before the loop counts as hanging.")
    int loop_seconds() default 5;

    @AttributeDefinition(
            min = "0",
            max = "100",
            description =
                    "Percent of a file system that must be free, if its images may take more than is free: a warning.")
    int space_warn() default 10;

    @AttributeDefinition(min = "0", max = "100", description = "The same, below which it is critical.")
    int space_critical() default 3;
}
