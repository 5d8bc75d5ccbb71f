/** What has happened in the daemon, for operators and programs: any bundle publishes events and reads them. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.api.event;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
