package org.blktap.jobs.mirror;

/**
 * The progress of a mirror. Immutable, for any thread.
 *
 * @param ready whether both disks are equal but for changes in flight
 * @param copied bytes, since the job began
 * @param remaining bytes
 * @param failure why copying has stopped; null if it has not
 */
record MirrorState(boolean ready, long copied, long remaining, MirrorFailure failure, boolean started) {}
