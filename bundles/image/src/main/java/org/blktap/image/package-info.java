/** The parts that cluster-mapped formats share: table cache, allocation, ordering, copy-on-write, decompression. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("2.2.0")
package org.blktap.image;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
