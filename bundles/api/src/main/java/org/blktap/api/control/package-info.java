/** What an operator's tool calls: attachments, their states and statistics. */
@Export(substitution = Export.Substitution.NOIMPORT)
@Version("2.2.0")
package org.blktap.api.control;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
