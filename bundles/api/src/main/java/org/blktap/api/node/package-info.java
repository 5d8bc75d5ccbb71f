/** The interfaces of a way to reach a VM: its nodes, and the port by which they reach a disk. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("2.2.0")
package org.blktap.api.node;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
