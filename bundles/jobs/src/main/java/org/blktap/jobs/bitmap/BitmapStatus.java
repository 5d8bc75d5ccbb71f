package org.blktap.jobs.bitmap;

/**
 * A bitmap as it is listed.
 *
 * @param granularity bytes for each bit
 * @param dirtyBytes of the ranges that were written; an upper bound while a backup uses the bitmap
 * @param stale whether writes may be missing, so that the whole disk counts as written
 * @param usedBy the job that uses it; empty for none
 */
public record BitmapStatus(String name, int granularity, long dirtyBytes, boolean stale, String usedBy) {}
