package org.blktap.node.vhostuser;

import org.blktap.api.node.Quota;

/** A countable resource with the same limits for each client of this daemon. Any thread. */
final class ClientBudget {
    private final Quota quota;
    private long reserve;
    private long most;
    private long total;

    /**
     * @param reserve what each client can always have
     * @param most what one client may have
     * @param total what all clients together may have beyond their reserves
     */
    ClientBudget(long reserve, long most, long total) {
        this.reserve = Math.min(reserve, most);
        this.most = most;
        this.total = total;
        quota = new Quota(total);
    }

    /** Changes the limits: the common one at once, the others for clients that connect afterwards. */
    synchronized void limit(long reserveOfEach, long mostOfEach, long ofAll) {
        reserve = Math.min(reserveOfEach, mostOfEach);
        most = mostOfEach;
        quota.grow(ofAll - total);
        total = ofAll;
    }

    /** What one client may have. */
    synchronized long most() {
        return most;
    }

    /** What all clients together may have beyond their reserves. */
    synchronized long total() {
        return total;
    }

    /** What all clients together have beyond their reserves. */
    synchronized long used() {
        return total - quota.common();
    }

    Quota quota() {
        return quota;
    }

    synchronized Quota.Share share() {
        return quota.share(reserve, most);
    }
}
