package org.blktap.node.xen;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change takes effect at once. */
@ObjectClassDefinition(
        pid = XenSettings.PID,
        name = "Domains of Xen",
        description = "What guests may take of the daemon, one domain and all together.")
@Retention(RetentionPolicy.RUNTIME)
@interface XenSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.node-xen";

    @AttributeDefinition(
            min = "0",
            max = "2147483647",
            description = "Most ring entries of all domains. The last quarter is for devices of at most 512 entries.")
    int entries() default 65536;

    @AttributeDefinition(min = "0", max = "2147483647", description = "Most ring entries of one domain.")
    int domain_entries() default 16384;

    @AttributeDefinition(
            min = "0",
            max = "2147483647",
            description = "Most pages of data that stay mapped for all domains; data in other pages is copied.")
    int grants() default 262144;

    @AttributeDefinition(
            min = "0",
            max = "2147483647",
            description = "Most pages of data that stay mapped for one domain; data in other pages is copied.")
    int domain_grants() default 65536;

    @AttributeDefinition(
            min = "-1",
            max = "2147483647",
            description =
                    "Most mappings of the process for all domains; -1 means half of vm.max_map_count. The last quarter is for rings.")
    int mappings() default -1;

    @AttributeDefinition(
            min = "-1",
            max = "2147483647",
            description = "Most mappings of the process for one domain; -1 means an eighth of those for all domains.")
    int domain_mappings() default -1;

    @AttributeDefinition(
            min = "0",
            max = "1048576",
            description = "Most MiB of buffers for copied data of all domains, beyond 1 MiB for each device.")
    int buffers() default 256;

    @AttributeDefinition(min = "0", max = "1048576", description = "Most MiB of buffers for copied data of one domain.")
    int domain_buffers() default 64;

    @AttributeDefinition(
            min = "1",
            max = "1024",
            description = "Most disks of toolstacks that are opened at the same time.")
    int opening() default 16;

    @AttributeDefinition(
            description =
                    "Whether the disks that toolstacks write into XenStore are attached by this instance: default means by the default instance alone; yes, no. One instance has them, the first. At the next start.")
    String toolstack() default "default";
}
