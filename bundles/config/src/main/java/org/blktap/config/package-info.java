/**
 * The daemon's configuration: the settings that bundles declare ({@link org.blktap.config.Setting}), the check of the
 * file {@code etc/blktap.json} against them ({@link org.blktap.config.SettingsCheck}), and Config Admin, which gets the
 * result ({@link org.blktap.config.ConfiguredSettings}).
 */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.config;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
