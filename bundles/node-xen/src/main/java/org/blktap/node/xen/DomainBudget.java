package org.blktap.node.xen;

import java.util.HashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Bounds something that guests take: what one domain may have, and all together. The last part of the whole is kept for
 * small takers, so that a few that take all they can leave enough for the others. Any thread.
 */
final class DomainBudget {
    private long most;
    private long domainMost;
    private long reserve;
    private final Map<Integer, Long> ofDomains = new HashMap<>();
    private long taken;

    /**
     * @param most of all domains together
     * @param domainMost of one domain
     * @param reserve the part of {@code most} that is for small takers only
     */
    DomainBudget(long most, long domainMost, long reserve) {
        this.most = most;
        this.domainMost = domainMost;
        this.reserve = reserve;
    }

    /** Changes the limits, whose meanings are those of the constructor. */
    synchronized void limit(long ofAll, long ofDomain, long forSmall) {
        most = ofAll;
        domainMost = ofDomain;
        reserve = forSmall;
    }

    /**
     * Takes so much, or nothing.
     *
     * @param small whether the taker may use the reserve
     */
    synchronized boolean take(int domain, long amount, boolean small) {
        long its = ofDomains.getOrDefault(domain, 0L);
        if (amount > domainMost - its || amount > most - (small ? 0 : reserve) - taken) {
            return false;
        }
        ofDomains.put(domain, its + amount);
        taken += amount;
        return true;
    }

    synchronized void giveBack(int domain, long amount) {
        taken -= amount;
        ofDomains.computeIfPresent(domain, (number, its) -> its == amount ? null : its - amount);
    }

    synchronized long taken() {
        return taken;
    }

    synchronized long taken(int domain) {
        return ofDomains.getOrDefault(domain, 0L);
    }

    /** What each domain has taken, by the domain's number. */
    synchronized SortedMap<Integer, Long> ofDomains() {
        return new TreeMap<>(ofDomains);
    }

    synchronized long most() {
        return most;
    }

    synchronized long domainMost() {
        return domainMost;
    }
}
