package org.blktap.shell;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import org.osgi.service.metatype.annotations.Option;

/** The settings of this bundle. A change takes effect at once. */
@ObjectClassDefinition(pid = LogSettings.PID, name = "The log", description = "What the daemon logs.")
@Retention(RetentionPolicy.RUNTIME)
@interface LogSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.shell";

    @AttributeDefinition(
            options = {@Option("ERROR"), @Option("WARNING"), @Option("INFO"), @Option("DEBUG")},
            description = "The lowest level of the daemon's own records that is logged.")
    String log_level() default "INFO";

    @AttributeDefinition(
            min = "1",
            max = "1000000",
            description =
                    "How many warnings or errors that differ only in numbers are logged in 10 seconds; further ones are counted.")
    int log_repeats() default 10;
}
