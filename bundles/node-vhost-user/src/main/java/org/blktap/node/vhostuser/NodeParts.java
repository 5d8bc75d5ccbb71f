package org.blktap.node.vhostuser;

/**
 * The parts of a node that outlive its clients.
 *
 * @param log for log lines that clients cause
 * @param calls for system calls that clients can make block
 * @param limits of all nodes
 */
record NodeParts(ClientLog log, BlockingCalls calls, VhostUserLimits limits) {}
