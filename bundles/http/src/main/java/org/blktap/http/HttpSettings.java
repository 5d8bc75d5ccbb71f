package org.blktap.http;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The settings of this bundle. A change closes what listens, and opens what the settings name. */
@ObjectClassDefinition(
        pid = HttpSettings.PID,
        name = "HTTP",
        description = "Where the HTTP API and its page are served, and to whom.")
@Retention(RetentionPolicy.RUNTIME)
@interface HttpSettings {
    /** The bundle's symbolic name, under which it is configured. */
    String PID = "org.blktap.http";

    @AttributeDefinition(
            description =
                    "Addresses and ports such as 127.0.0.1:9980, in digits. One that other hosts reach needs tls. Empty: nowhere.")
    String[] listen() default {};

    @AttributeDefinition(
            description =
                    "The file with the token, which is made if it is missing. Empty: http/token in the data directory.")
    String token_file() default "";

    @AttributeDefinition(
            description =
                    "With TLS. The directory of ca-cert.pem, server-cert.pem and server-key.pem is tls.directory; clients may show a certificate instead of the token.")
    boolean tls() default false;

    @AttributeDefinition(description = "The directory of the certificates.")
    String tls_directory() default "/etc/pki/blktap";

    @AttributeDefinition(
            description =
                    "Whose certificates are as good as the token: subjects such as CN=ops%2CO=Example, separated by semicolons and percent-coded, or a file with one on each line. Empty: nobody's.")
    String subjects() default "";

    @AttributeDefinition(
            description =
                    "Names of this host in URLs, besides localhost and addresses. Requests for other names are refused, so that no foreign page can reach the daemon by a name of its own.")
    String[] hosts() default {};
}
