package org.blktap.api.node;

/**
 * A resource that several takers share: each has a reserve that nobody else gets, and takes anything beyond it from a
 * common part. Any thread; not for each request.
 */
public final class Quota {
    private volatile long common;

    /** @param common amount that all together may have beyond their reserves */
    public Quota(long common) {
        this.common = common;
    }

    /**
     * @param reserve amount that is always available to the share
     * @param most the most that the share gets, including its reserve
     */
    public Share share(long reserve, long most) {
        return new Share(reserve, most);
    }

    /** Amount left in the common part; negative while more has been taken than a new limit allows. */
    public long common() {
        return common;
    }

    /**
     * Increases or reduces the common part. If more has been taken than is left, nothing beyond the reserves is given
     * until enough has been returned.
     */
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

    /** The part of one taker. */
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

        /** Returns the amount that can be taken now, if no other takes it first. */
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
