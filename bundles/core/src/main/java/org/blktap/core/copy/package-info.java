/** Reads and copies whole disks, from the loop of one to that of another. */
package org.blktap.core.copy;
