/** The daemon's settings: system properties that are numbers. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.1.0")
package org.blktap.api.settings;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
