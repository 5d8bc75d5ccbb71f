/** TLS engines with certificates from a directory, which are read again when the files change. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.tls;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
