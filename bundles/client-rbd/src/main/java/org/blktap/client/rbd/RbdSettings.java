package org.blktap.client.rbd;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change applies to images that are opened afterwards. */
@ObjectClassDefinition(
        pid = RbdSettings.PID,
        name = "Ceph clusters",
        description = "How clusters are reached, where the options of a disk do not say it.")
@Retention(RetentionPolicy.RUNTIME)
@interface RbdSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.client-rbd";

    @AttributeDefinition(
            description = "The cluster's ceph.conf. Empty for those that Ceph's programs read: /etc/ceph/ceph.conf.")
    String conf() default "";

    @AttributeDefinition(description = "The user of the cluster, without client.")
    String user() default "admin";

    @AttributeDefinition(description = "The file with the user's key. Empty for those that ceph.conf names.")
    String keyring() default "";

    @AttributeDefinition(
            min = "1",
            max = "3600",
            description = "Seconds until an opening fails whose monitors do not answer.")
    int connect_seconds() default 30;
}
