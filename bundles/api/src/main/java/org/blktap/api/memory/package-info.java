/** Native memory: raw access by address, aligned buffers, and the scatter lists of requests. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("1.3.0")
package org.blktap.api.memory;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
