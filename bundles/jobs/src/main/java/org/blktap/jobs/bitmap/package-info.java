/** Dirty bitmaps of attachments: the filter that records what is written, the verb, and what backups use. */
package org.blktap.jobs.bitmap;
