package org.blktap.api.control;

import java.util.Map;

/**
 * A job as commands show it: long work on the disk of an attachment.
 *
 * @param id by which {@code job} names it
 * @param kind the verb that made it
 * @param attachment the id of the attachment whose disk it works on
 * @param doneBytes what has been copied so far
 * @param totalBytes what must be copied, as far as is known; grows while the VM writes
 * @param speed the limit in bytes a second; 0 for none
 * @param share the pieces that are copied at once while the VM has requests in flight; 0 for as many as the device
 *     bears
 * @param message why it is paused or has failed, or what it has done
 * @param pausedMicros how long the VM's requests waited in the last step; -1 before
 * @param endedMillis when it ended; 0 before
 * @param values what belongs to its kind, such as the target
 */
public record JobStatus(
        String id,
        String kind,
        String attachment,
        JobState state,
        long doneBytes,
        long totalBytes,
        long speed,
        int share,
        String message,
        long pausedMicros,
        long createdMillis,
        long endedMillis,
        Map<String, String> values) {}
