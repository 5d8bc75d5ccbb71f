package org.blktap.node.vhostuser;

/**
 * A countable resource that all clients of this daemon use. Each client has a reserve that nobody can take from it; what it
 * uses beyond comes from a common pool, up to a limit for each client. Any thread.
 */
final class Budget {
    private final long reserve;
    private final long most;
    private long pool;

    /**
     * @param reserve what each client can always have
     * @param most what one client may have
     * @param pool what all clients together may have beyond their reserves
     */
    Budget(long reserve, long most, long pool) {
        this.reserve = Math.min(reserve, most);
        this.most = most;
        this.pool = pool;
    }

    /** What one client may have. */
    long most() {
        return most;
    }

    /** What is left for all beyond their reserves. */
    synchronized long pool() {
        return pool;
    }

    Share share() {
        return new Share();
    }

    /** One client's part. */
    final class Share {
        private long used;

        /** Takes so much, or nothing and returns false. */
        boolean take(long amount) {
            synchronized (Budget.this) {
                if (amount > most - used) {
                    return false;
                }
                long fromPool = beyond(used + amount) - beyond(used);
                if (fromPool > pool) {
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
