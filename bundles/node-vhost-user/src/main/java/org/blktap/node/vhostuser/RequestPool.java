package org.blktap.node.vhostuser;

import java.util.Arrays;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.Quota;

/**
 * One client's request objects, which are reused. After a burst the pool shrinks to the number needed in the last
 * period, so that a burst's memory does not stay allocated. Loop only.
 */
final class RequestPool {
    /** Objects that stay allocated however long no request comes. */
    static final int KEPT = 32;

    private static final long SHRINK_MILLISECONDS = 2000;

    private final VirtioBlkDevice device;
    private final Quota.Share share;
    private VirtioBlkRequest[] idle = new VirtioBlkRequest[KEPT];
    private int idleCount;
    private int made;
    private boolean exhausted;
    /** The most objects in use since the last check. */
    private int peak;

    private IoLoop.Timer shrinking;

    RequestPool(VirtioBlkDevice device, Quota.Share share) {
        this.device = device;
        this.share = share;
    }

    /** Whether no more objects may be made until some are returned. */
    boolean exhausted() {
        return exhausted;
    }

    /** The number of objects. */
    int made() {
        return made;
    }

    /** Takes an object; null if all that are allowed are in use. */
    VirtioBlkRequest take() {
        if (idleCount == 0) {
            exhausted = !share.take(1);
            if (exhausted) {
                return null;
            }
            made++;
            idle[idleCount++] = new VirtioBlkRequest(device);
            if (made > KEPT && shrinking == null) {
                shrinking = device.loop().schedule(this::shrink, SHRINK_MILLISECONDS);
            }
        }
        VirtioBlkRequest request = idle[--idleCount];
        idle[idleCount] = null;
        peak = Math.max(peak, made - idleCount);
        return request;
    }

    void giveBack(VirtioBlkRequest request) {
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

    /** Removes an object in use that will not be returned. */
    void forget() {
        made--;
        share.give(1);
    }

    /** Frees all objects; none is in use. */
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
