/**
 * The only room that maps native libraries: libc, libaio and the libraries of Xen, native memory, and the epoll loop.
 * Stable, never replaced while running: a bundle that registers JNA mappings leaks its class loader at every update.
 */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("2.0.0")
package org.blktap.linux;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
