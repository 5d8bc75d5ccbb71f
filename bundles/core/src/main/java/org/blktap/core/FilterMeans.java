package org.blktap.core;

import org.blktap.api.memory.NativeMemory;

/**
 * What the filters of one open disk are given.
 *
 * @param watch who watches the files of the disk
 * @param environment for other disks, which they open beside it
 */
record FilterMeans(LoopCalls calls, NativeMemory memory, WatchedFile.Watch watch, OpenEnvironment environment) {}
