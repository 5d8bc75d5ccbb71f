package org.blktap.node.nbd;

import java.util.List;

/**
 * What a handshake has agreed on.
 *
 * @param export the name of the chosen export, never empty
 * @param framing the headers of requests and replies
 * @param contexts what a BLOCK_STATUS answers, in the order of {@link MetaContext#of}; if empty, none may be asked
 */
record Session(String export, Framing framing, List<MetaContext> contexts) {}
