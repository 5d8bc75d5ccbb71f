package org.blktap.core;

import org.blktap.api.engine.IoLoop;
import org.blktap.core.gate.Gate;

/**
 * What the operations of one attachment work with. All of it lives as long as the attachment.
 *
 * @param record what a restart attaches
 * @param services what the daemon has for all attachments
 * @param loop the thread of the attachment
 * @param calls calls of that loop, which are waited for
 * @param operations runs its operations, one after the other
 * @param commands how long commands wait for their operations
 * @param gate between its nodes and its disk
 */
record AttachmentParts(
        Records.Entry record,
        Services services,
        IoLoop loop,
        LoopCalls calls,
        Operations operations,
        CommandWait commands,
        Gate gate,
        AttachmentNodes nodes,
        AttachmentDisk disk) {}
