/**
 * Points in time of live disks: the filter, the driver that reads them, and the verbs {@code backup} and
 * {@code expose}.
 */
package org.blktap.jobs.fleece;
