/** Bitmaps of a disk in mapped files: what jobs know of a disk that must survive a killed daemon. */
package org.blktap.jobs.bits;
