/** What a way to reach a VM implements: nodes, and the port behind which its disk stands. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.2.0")
package org.blktap.api.node;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
