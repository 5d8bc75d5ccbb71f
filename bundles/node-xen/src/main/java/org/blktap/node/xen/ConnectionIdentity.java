package org.blktap.node.xen;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Distinguishes one connection from all others, past and future, as far as what a frontend names can: a restarted
 * daemon goes on only where the same virtual machine still has the same rings.
 *
 * @param machine the virtual machine's node {@code vm}, which holds its UUID; domain numbers come back
 */
record ConnectionIdentity(String machine, int device, FrontendParameters frontend) {

    /** A number for one queue, of 64 bits. */
    long ofQueue(int index) {
        String text = machine + " " + frontend.domain() + " " + device + " " + frontend.abi() + " "
                + frontend.persistent() + " " + frontend.queues() + " " + index;
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return ByteBuffer.wrap(digest).getLong();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
