/**
 * What all bundles know of the daemon: its directories, and which instance it is. Settings of a bundle are its own, by
 * Config Admin.
 */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.2.0")
package org.blktap.api.settings;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
