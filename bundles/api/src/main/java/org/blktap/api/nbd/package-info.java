/** The NBD protocol's numbers, for its server and its client. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.1.0")
package org.blktap.api.nbd;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
