package org.blktap.client.nbd;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change takes effect with the next disk that is opened. */
@ObjectClassDefinition(
        pid = NbdClientSettings.PID,
        name = "Exports of NBD servers",
        description = "How tap:nbd connects.")
@Retention(RetentionPolicy.RUNTIME)
@interface NbdClientSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.client-nbd";

    @AttributeDefinition(
            description =
                    "The directory of ca-cert.pem, and of client-cert.pem and client-key.pem if servers ask for them, for URIs with TLS that do not say tls-certificates= themselves.")
    String tls_directory() default "/etc/pki/blktap";
}
