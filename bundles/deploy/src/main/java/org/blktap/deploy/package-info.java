/**
 * Jars in the directory that File Install watches: {@link org.blktap.deploy.Deployer} puts them there and takes them
 * away, {@link org.blktap.deploy.DroppedJars} judges what others put there, {@link org.blktap.deploy.BundleDiagnosis}
 * reports why a bundle is not active.
 */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.deploy;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
