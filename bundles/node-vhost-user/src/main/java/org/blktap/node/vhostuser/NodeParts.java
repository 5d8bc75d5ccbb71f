package org.blktap.node.vhostuser;

/**
 * What outlives a node's clients.
 *
 * @param log for lines that clients cause
 * @param calls for system calls that clients can make block
 * @param limits of all nodes
 */
record NodeParts(ClientLog log, BlockingCalls calls, Limits limits) {
}
