/**
 * Xen's shared rings and the blkif protocol on them, the backend half, over any mapped memory.
 * {@link org.blktap.ring.BackRing} takes requests out and puts responses in, {@link org.blktap.ring.BlkRequest} reads a
 * request's copy, {@link org.blktap.ring.RequestLog} records the requests that a process leaves unanswered when it
 * dies. Layouts are those of Xen's public headers io/ring.h and io/blkif.h.
 */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("2.0.0")
package org.blktap.ring;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
