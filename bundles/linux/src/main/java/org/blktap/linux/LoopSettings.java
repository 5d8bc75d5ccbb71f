package org.blktap.linux;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import org.osgi.service.metatype.annotations.Option;

/** The settings of this bundle. A change takes effect at once; of helpers, with the next blocking call. */
@ObjectClassDefinition(
        pid = LoopSettings.PID,
        name = "Loops",
        description = "The threads that serve disks, and their helpers.")
@Retention(RetentionPolicy.RUNTIME)
@interface LoopSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.linux";

    @AttributeDefinition(
            min = "0",
            max = "1000000",
            description = "Microseconds that an idle loop polls before it sleeps, if a ring may bring requests.")
    int loop_spin() default 30;

    @AttributeDefinition(min = "2", max = "10000", description = "Most helper threads of one loop.")
    int helpers_loop() default 16;

    @AttributeDefinition(
            min = "0",
            max = "10000",
            description = "Most helper threads of all loops together, beyond the two that are reserved for each.")
    int helpers() default 64;

    @AttributeDefinition(
            options = {@Option("most"), @Option("all")},
            description =
                    "Which loops must answer for the service manager's watchdog to be fed: more than half, or all.")
    String watchdog() default "most";
}
