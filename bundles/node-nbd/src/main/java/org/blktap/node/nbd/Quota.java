package org.blktap.node.nbd;

/**
 * A resource that many take from: each has a reserve that nobody else gets, and what it takes beyond that comes out of a common part.
 * Any thread; not for each request.
 */
final class Quota {
    private volatile long common;

    Quota(long common) {
        this.common = common;
    }

    /**
     * @param reserve what is always there for the share
     * @param most what it gets at most, with its reserve
     */
    Share share(long reserve, long most) {
        return new Share(reserve, most);
    }

    /** Adds to the common part, or takes from it; where more has been taken than is left, nothing beyond the reserves is given until enough has come back. */
    synchronized void grow(long amount) {
        common += amount;
    }

    private synchronized boolean takeCommon(long amount) {
        if (amount > 0 && amount > common) {
            return false;
        }
        common -= amount;
        return true;
    }

    private synchronized void giveCommon(long amount) {
        common += amount;
    }

    /** One taker's part. */
    final class Share {
        private final long reserve;
        private final long most;
        private volatile long used;

        private Share(long reserve, long most) {
            this.reserve = reserve;
            this.most = most;
        }

        /** Takes all of an amount, or nothing. */
        synchronized boolean take(long amount) {
            long wanted = used + amount;
            if (wanted > most || !takeCommon(beyondReserve(wanted) - beyondReserve(used))) {
                return false;
            }
            used = wanted;
            return true;
        }

        synchronized void give(long amount) {
            long rest = used - amount;
            giveCommon(beyondReserve(used) - beyondReserve(rest));
            used = rest;
        }

        /** What may be had now, if nobody else is faster. */
        long left() {
            return Math.min(most - used, Math.max(0, reserve - used) + Math.max(0, common));
        }

        long used() {
            return used;
        }

        private long beyondReserve(long amount) {
            return Math.max(0, amount - reserve);
        }
    }
}
