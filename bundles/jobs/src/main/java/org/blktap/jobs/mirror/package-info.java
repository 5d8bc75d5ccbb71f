/**
 * Copies of a live disk that follow its VM's writes: the filter {@code mirror}, and the jobs that end with a switch.
 */
package org.blktap.jobs.mirror;
