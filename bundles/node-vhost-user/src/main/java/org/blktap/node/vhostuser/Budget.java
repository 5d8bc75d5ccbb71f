package org.blktap.node.vhostuser;

import org.blktap.api.node.Quota;

/**
 * A countable resource of which all clients of this daemon may have the same. Any thread.
 *
 * @param reserve what each client can always have
 * @param most what one client may have
 * @param quota what all clients together may have beyond their reserves
 */
record Budget(long reserve, long most, Quota quota) {
    Budget(long reserve, long most, long pool) {
        this(Math.min(reserve, most), most, new Quota(pool));
    }

    Quota.Share share() {
        return quota.share(reserve, most);
    }
}
