package org.blktap.api.node;

/**
 * A resource that many take from: each has a reserve that nobody else gets, and what it takes beyond that comes out of a common part.
 * Any thread; not for each request.
 */
public final class Quota {
    private volatile long common;

    /** @param common what all together may have beyond their reserves */
    public Quota(long common) {
        this.common = common;
    }

    /**
     * @param reserve what is always there for the share
     * @param most what it gets at most, with its reserve
     */
    public Share share(long reserve, long most) {
        return new Share(reserve, most);
    }

    /** What is left beyond the reserves; negative while more has been taken than a new limit allows. */
    public long common() {
        return common;
    }

    /** Adds to the common part, or takes from it; where more has been taken than is left, nothing beyond the reserves is given until enough has come back. */
    public synchronized void grow(long amount) {
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
    public final class Share {
        private final long reserve;
        private final long most;
        private volatile long used;

        private Share(long reserve, long most) {
            this.reserve = reserve;
            this.most = most;
        }

        /**
         * Takes all of an amount, or nothing.
         *
         * @param amount any number that is not negative
         */
        public synchronized boolean take(long amount) {
            if (amount > most - used || !takeCommon(beyondReserve(used + amount) - beyondReserve(used))) {
                return false;
            }
            used += amount;
            return true;
        }

        public synchronized void give(long amount) {
            long rest = used - amount;
            giveCommon(beyondReserve(used) - beyondReserve(rest));
            used = rest;
        }

        /** What may be had now, if nobody else is faster. */
        public long left() {
            return Math.min(most - used, Math.max(0, reserve - used) + Math.max(0, common));
        }

        public long used() {
            return used;
        }

        private long beyondReserve(long amount) {
            return Math.max(0, amount - reserve);
        }
    }
}
