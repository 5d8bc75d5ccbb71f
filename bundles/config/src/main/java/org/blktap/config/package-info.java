/**
 * The daemon's configuration: the settings that bundles declare ({@link org.blktap.config.Setting}), what the file {@code etc/blktap.json} says of them
 * ({@link org.blktap.config.SettingsCheck}), and both in Config Admin ({@link org.blktap.config.Configuration}).
 */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.config;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
