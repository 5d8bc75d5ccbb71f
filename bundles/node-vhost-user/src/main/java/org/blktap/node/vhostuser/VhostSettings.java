package org.blktap.node.vhostuser;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/**
 * The settings of this bundle. Changes of the limits for all clients together take effect at once, others for clients
 * that connect afterwards. The address space of a process on x86-64 is 128 TiB; the defaults serve about a thousand
 * clients.
 */
@ObjectClassDefinition(
        pid = VhostSettings.PID,
        name = "vhost-user devices",
        description = "What vhost-user clients may take of the daemon, and who may be one.")
@Retention(RetentionPolicy.RUNTIME)
@interface VhostSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.node-vhost-user";

    @AttributeDefinition(min = "0", max = "131072", description = "GiB of memory that each client can always map.")
    int memory_reserve() default 32;

    @AttributeDefinition(min = "0", max = "131072", description = "Most GiB of memory that one client may map.")
    int memory_client() default 4096;

    @AttributeDefinition(
            min = "0",
            max = "131072",
            description = "Most GiB of memory that all clients together may map beyond their reserves.")
    int memory_total() default 65536;

    @AttributeDefinition(
            min = "1",
            max = "16777216",
            description = "Requests in flight that each client can always have.")
    int requests_reserve() default 64;

    @AttributeDefinition(min = "1", max = "16777216", description = "Most requests in flight of one client.")
    int requests_client() default 2048;

    @AttributeDefinition(
            min = "1",
            max = "16777216",
            description = "Most requests in flight of all clients together, beyond their reserves.")
    int requests_total() default 16384;

    @AttributeDefinition(
            description =
                    "Permissions of sockets that are opened from now on, of nodes that do not say mode= themselves.")
    String socket_mode() default "0600";

    @AttributeDefinition(
            description = "Group of these sockets, of nodes that do not say group= themselves; empty for the daemon's.")
    String socket_group() default "";
}
