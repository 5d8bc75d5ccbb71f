/**
 * What all bundles know of the daemon's configuration: its directories. Settings of a bundle are its own, by Config
 * Admin.
 */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.1.0")
package org.blktap.api.settings;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
