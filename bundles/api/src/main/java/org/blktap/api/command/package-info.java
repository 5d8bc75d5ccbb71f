/** The verbs of the command line: what a bundle implements to bring one. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.1.0")
package org.blktap.api.command;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
