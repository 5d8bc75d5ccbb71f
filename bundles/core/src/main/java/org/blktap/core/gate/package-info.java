/** The gate before a disk, and what becomes of the requests that pass it. */
package org.blktap.core.gate;
