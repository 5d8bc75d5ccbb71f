/** Loops and I/O engines: the one thread of an attachment, and asynchronous files on it. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("2.2.0")
package org.blktap.api.engine;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
