package org.blktap.node.nbd;

/**
 * What a handshake has agreed on.
 *
 * @param export the name of the chosen export, never empty
 * @param structured whether reads are answered by structured replies
 * @param allocation whether BLOCK_STATUS may be asked
 */
record Session(String export, boolean structured, boolean allocation) {}
