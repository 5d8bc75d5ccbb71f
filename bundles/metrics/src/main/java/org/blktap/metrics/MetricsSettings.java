package org.blktap.metrics;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change closes what listens, and opens what the settings name. */
@ObjectClassDefinition(
        pid = MetricsSettings.PID,
        name = "Metrics",
        description = "Where the daemon's figures can be had, in the formats of Prometheus and OpenMetrics.")
@Retention(RetentionPolicy.RUNTIME)
@interface MetricsSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.metrics";

    @AttributeDefinition(
            description =
                    "Where GET /metrics is answered: unix for metrics.sock in the directory for sockets, unix:PATH, or a loopback address with a port such as 127.0.0.1:9920. Empty: nowhere.")
    String[] listen() default {};

    @AttributeDefinition(description = "Permissions of a unix socket; to connect takes the right to write.")
    String socket_mode() default "0600";

    @AttributeDefinition(description = "Group of a unix socket; empty for the daemon's.")
    String socket_group() default "";
}
