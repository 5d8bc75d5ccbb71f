package org.blktap.node.vhostuser;

/**
 * A countable resource that all clients of this daemon use. Each client has a reserve that nobody can take from it; what it
 * uses beyond comes from a common pool, up to a limit for each client. Any thread.
 */
final class Budget {
    private long reserve;
    private long most;
    /** What all together may have, and what is left of it, which is less than 0 while more is taken than a new limit allows. */
    private long total;
    private long pool;

    /**
     * @param reserve what each client can always have
     * @param most what one client may have
     * @param pool what all clients together may have beyond their reserves
     */
    Budget(long reserve, long most, long pool) {
        this.reserve = Math.min(reserve, most);
        this.most = most;
        this.total = pool;
        this.pool = pool;
    }

    /** Changes the limits: of the common pool at once, the others for clients that come. */
    synchronized void limit(long reserveOfEach, long mostOfEach, long ofAll) {
        reserve = Math.min(reserveOfEach, mostOfEach);
        most = mostOfEach;
        pool += ofAll - total;
        total = ofAll;
    }

    /** What one client may have. */
    synchronized long most() {
        return most;
    }

    /** What is left for all beyond their reserves. */
    synchronized long pool() {
        return pool;
    }

    synchronized Share share() {
        return new Share(reserve, most);
    }

    /** One client's part. */
    final class Share {
        private final long reserve;
        private final long most;
        private long used;

        private Share(long reserve, long most) {
            this.reserve = reserve;
            this.most = most;
        }

        /** Takes so much, or nothing and returns false. */
        boolean take(long amount) {
            synchronized (Budget.this) {
                if (amount > most - used) {
                    return false;
                }
                long fromPool = beyond(used + amount) - beyond(used);
                if (fromPool > 0 && fromPool > pool) {
                    return false;
                }
                pool -= fromPool;
                used += amount;
                return true;
            }
        }

        void giveBack(long amount) {
            synchronized (Budget.this) {
                pool += beyond(used) - beyond(used - amount);
                used -= amount;
            }
        }

        private long beyond(long amount) {
            return Math.max(0, amount - reserve);
        }
    }
}
