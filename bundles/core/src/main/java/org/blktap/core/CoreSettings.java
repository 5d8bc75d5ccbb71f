package org.blktap.core;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change takes effect at once. */
@ObjectClassDefinition(
        pid = CoreSettings.PID,
        name = "Attachments",
        description = "How long attachments are waited for, and what images may name.")
@Retention(RetentionPolicy.RUNTIME)
@interface CoreSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.core";

    @AttributeDefinition(
            description =
                    "Directories to which paths inside images may lead, besides the image's own directory, and pools of clusters, as tap:rbd:POOL. The environment variable BLKTAP_IMAGE_ROOTS overrides this.")
    String[] image_roots() default {};

    @AttributeDefinition(
            min = "0",
            max = "86400",
            description =
                    "Seconds that a park, a detach or the removal of a node waits for requests in flight; after that it is refused.")
    int drain_seconds() default 60;

    @AttributeDefinition(
            min = "0",
            max = "86400",
            description =
                    "Seconds that a forced detach, or a daemon that stops, waits for requests in flight; after that VMs are cut off.")
    int forced_seconds() default 5;

    @AttributeDefinition(
            min = "0",
            max = "86400",
            description = "Seconds that a bundle that is stopped or replaced waits for all attachments that use it.")
    int unbind_seconds() default 10;

    @AttributeDefinition(
            min = "0",
            max = "86400",
            description = "Seconds that a daemon that stops waits for all disks.")
    int stop_seconds() default 15;

    /** Less than the 90 s that systemd gives. */
    @AttributeDefinition(
            min = "0",
            max = "86400",
            description = "Seconds that a daemon that stops waits for disks that save their contents.")
    int stop_saving_seconds() default 80;
}
