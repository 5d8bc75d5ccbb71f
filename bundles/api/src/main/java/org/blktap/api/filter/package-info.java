/** Filters: what stands between the gate of an attachment and its disk, and sees every request. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.api.filter;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
