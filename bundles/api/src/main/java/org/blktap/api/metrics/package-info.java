/** Figures that parts of the daemon give to whoever watches it: counters, gauges, distributions. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.0.0")
package org.blktap.api.metrics;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
