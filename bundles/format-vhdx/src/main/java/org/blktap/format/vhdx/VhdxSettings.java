package org.blktap.format.vhdx;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change takes effect at once. */
@ObjectClassDefinition(pid = VhdxSettings.PID, name = "VHDX", description = "What VHDX images may take of the daemon.")
@Retention(RetentionPolicy.RUNTIME)
@interface VhdxSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.format-vhdx";

    /** Enough for the largest log, and for some of usual size beside it. */
    @AttributeDefinition(
            min = "1024",
            max = "1099511627776",
            description =
                    "Bytes of memory for the logs of all images: while a log is replayed, or while an image is read through its log.")
    long log$_$memory() default 96 << 20;
}
