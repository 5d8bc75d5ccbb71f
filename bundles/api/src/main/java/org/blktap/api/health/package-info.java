/** Whether the daemon and its disks are well. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.api.health;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
