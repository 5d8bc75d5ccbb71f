package org.blktap.node.vhostuser;

import java.util.Arrays;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.Quota;

/**
 * One client's request objects, used again and again. After a burst it shrinks to what was needed in the last period, so that what
 * a client once made it grow to, with its lists, does not stay. Loop only.
 */
final class RequestPool {
    /** Objects that stay however long nothing is asked for. */
    static final int KEPT = 32;
    private static final long SHRINK_MILLISECONDS = 2000;

    private final BlkDevice device;
    private final Quota.Share share;
    private BlkRequest[] idle = new BlkRequest[KEPT];
    private int idleCount;
    private int made;
    private boolean exhausted;
    /** The most in use since the last look. */
    private int peak;
    private IoLoop.Timer shrinking;

    RequestPool(BlkDevice device, Quota.Share share) {
        this.device = device;
        this.share = share;
    }

    /** Whether there may be no more until some are returned. */
    boolean exhausted() {
        return exhausted;
    }

    /** Objects that exist. */
    int made() {
        return made;
    }

    /** An object, or null while there may not be more; then some are in use. */
    BlkRequest take() {
        if (idleCount == 0) {
            exhausted = !share.take(1);
            if (exhausted) {
                return null;
            }
            made++;
            idle[idleCount++] = new BlkRequest(device);
            if (made > KEPT && shrinking == null) {
                shrinking = device.loop().schedule(this::shrink, SHRINK_MILLISECONDS);
            }
        }
        BlkRequest request = idle[--idleCount];
        idle[idleCount] = null;
        peak = Math.max(peak, made - idleCount);
        return request;
    }

    void giveBack(BlkRequest request) {
        exhausted = false;
        if (idleCount == idle.length) {
            idle = Arrays.copyOf(idle, idleCount * 2);
        }
        idle[idleCount++] = request;
    }

    private void shrink() {
        shrinking = null;
        while (idleCount > 0 && made > Math.max(KEPT, peak)) {
            forget();
            idle[--idleCount] = null;
        }
        if (idle.length > KEPT && idle.length > 4 * made) {
            idle = Arrays.copyOf(idle, Math.max(KEPT, made));
        }
        peak = made - idleCount;
        if (made > KEPT) {
            shrinking = device.loop().schedule(this::shrink, SHRINK_MILLISECONDS);
        }
    }

    /** An object in use will not come back. */
    void forget() {
        made--;
        share.give(1);
    }

    /** Nothing is in use. */
    void close() {
        if (shrinking != null) {
            shrinking.cancel();
            shrinking = null;
        }
        while (made > 0) {
            forget();
        }
        Arrays.fill(idle, null);
        idleCount = 0;
    }
}
