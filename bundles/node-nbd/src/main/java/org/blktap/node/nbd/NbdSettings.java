package org.blktap.node.nbd;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import org.osgi.service.metatype.annotations.Option;

/**
 * The settings of this bundle. A change takes effect at once, except that an export keeps its {@link #memory_export},
 * {@link #memory_reserve}, {@link #stuck_seconds} and what it has of TLS until it is opened again.
 */
@ObjectClassDefinition(
        pid = NbdSettings.PID,
        name = "NBD exports",
        description = "What NBD clients may take of the daemon.")
@Retention(RetentionPolicy.RUNTIME)
@interface NbdSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.node-nbd";

    @AttributeDefinition(
            min = "1",
            max = "1048576",
            description = "Most clients of an export through one socket; further ones are refused.")
    int clients() default 64;

    @AttributeDefinition(
            min = "1",
            max = "1048576",
            description = "Clients of an export through one socket that are always accepted.")
    int clients_reserve() default 8;

    @AttributeDefinition(
            min = "0",
            max = "1048576",
            description = "Most clients of all exports together, beyond those that are always accepted.")
    int clients_common() default 512;

    @AttributeDefinition(
            min = "1",
            max = "1048576",
            description = "Most clients of a socket that are in the handshake.")
    int handshakes() default 64;

    @AttributeDefinition(min = "1", max = "1048576", description = "Seconds after which a handshake must be complete.")
    int handshake_seconds() default 10;

    @AttributeDefinition(
            min = "1",
            max = "1048576",
            description = "Most MiB of buffers for the clients of an export; further requests wait in the socket.")
    int memory_export() default 192;

    /** The minimum is the longest request and the slack of {@link PayloadBuffers}; nothing works with less. */
    @AttributeDefinition(
            min = "48",
            max = "1048576",
            description = "MiB of buffers that the clients of an export can always have.")
    int memory_reserve() default 48;

    @AttributeDefinition(
            min = "0",
            max = "1048576",
            description = "Most MiB of buffers of all exports together, beyond those that each can always have.")
    int memory_common() default 512;

    @AttributeDefinition(
            min = "1",
            max = "1048576",
            description =
                    "Seconds after which a client is disconnected that keeps buffers without taking or sending data, while other clients of the export wait for some.")
    int stuck_seconds() default 10;

    @AttributeDefinition(
            description =
                    "Permissions of unix sockets that are made from now on, for exports that do not say mode= themselves.")
    String socket_mode() default "0600";

    @AttributeDefinition(
            description =
                    "Group of these sockets, for exports that do not say group= themselves; empty for the daemon's.")
    String socket_group() default "";

    @AttributeDefinition(
            options = {@Option("off"), @Option("allowed"), @Option("required")},
            description = "TLS of exports with a TCP port that do not say tls= themselves.")
    String tls() default "off";

    @AttributeDefinition(
            description =
                    "The directory of ca-cert.pem, server-cert.pem and server-key.pem, for exports that do not say certificates= themselves.")
    String tls_directory() default "/etc/pki/blktap";
}
