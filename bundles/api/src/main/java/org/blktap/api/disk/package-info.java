/** What a disk format implements: drivers, disks, requests. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("2.2.0")
package org.blktap.api.disk;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
