package org.blktap.aio;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/**
 * The settings of this bundle. A change takes effect at once: attachments that use libaio wait, parked, until it is
 * back.
 */
@ObjectClassDefinition(pid = AioSettings.PID, name = "I/O engines", description = "The engines that do file I/O.")
@Retention(RetentionPolicy.RUNTIME)
@interface AioSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.aio";

    @AttributeDefinition(description = "Uses the portable engine for all disks, as on a machine without libaio.")
    boolean portable() default false;
}
