// Rates from counters, and their history for the charts.

/** Points that are kept: one a second. */
export const POINTS = 120;

const OPERATIONS = ['read', 'write'];

/** Columns of numbers, the oldest first: seconds, then bytes a second and mean latency of reads and writes. */
export class History {
    constructor() {
        this.at = [];
        this.read = [];
        this.write = [];
        this.readLatency = [];
        this.writeLatency = [];
    }

    add(seconds, rates) {
        this.at.push(seconds);
        this.read.push(rates.read.bytes);
        this.write.push(rates.write.bytes);
        this.readLatency.push(rates.read.latency);
        this.writeLatency.push(rates.write.latency);
        if (this.at.length > POINTS) {
            for (const column of [this.at, this.read, this.write, this.readLatency, this.writeLatency]) {
                column.shift();
            }
        }
    }
}

const NOTHING = {count: 0, bytes: 0, errors: 0, latency: {mean: 0}};

/** What happened between two counters of one operation. */
function between(before, now, seconds) {
    const operations = now.count - before.count;
    if (operations < 0) {
        // the daemon was started again
        return {operations: 0, bytes: 0, latency: null, ended: 0, micros: 0};
    }
    const micros = operations > 0 ? Math.max(0, now.count * now.latency.mean - before.count * before.latency.mean) : 0;
    return {
        operations: operations / seconds,
        bytes: Math.max(0, now.bytes - before.bytes) / seconds,
        latency: operations > 0 ? micros / operations : null,
        ended: operations,
        micros,
    };
}

/** Makes rates of each answer of GET /stats, of each disk and of all together. */
export class Meter {
    constructor() {
        this.before = new Map();
        this.at = 0;
        this.histories = new Map();
        this.total = new History();
        this.sum = null;
    }

    /**
     * Returns rates by id.
     * @param millis the daemon's time of the answer
     */
    measure(stats, millis) {
        const elapsed = (millis - this.at) / 1000;
        const usable = this.at > 0 && elapsed > 0.05;
        const rates = new Map();
        const now = Date.now() / 1000;
        const sum = {};
        OPERATIONS.forEach(name => { sum[name] = {operations: 0, bytes: 0, ended: 0, micros: 0}; });
        for (const each of stats) {
            const earlier = this.before.get(each.id);
            if (!usable || !earlier) {
                continue;
            }
            const rate = {inFlight: each.inFlight};
            for (const name of OPERATIONS) {
                rate[name] = between(earlier.operations[name] || NOTHING, each.operations[name] || NOTHING, elapsed);
                for (const key of Object.keys(sum[name])) {
                    sum[name][key] += rate[name][key];
                }
            }
            rates.set(each.id, rate);
            if (!this.histories.has(each.id)) {
                this.histories.set(each.id, new History());
            }
            this.histories.get(each.id).add(now, rate);
        }
        for (const name of OPERATIONS) {
            sum[name].latency = sum[name].ended > 0 ? sum[name].micros / sum[name].ended : null;
        }
        sum.inFlight = stats.reduce((all, each) => all + each.inFlight, 0);
        this.sum = sum;
        if (usable) {
            this.total.add(now, sum);
        }
        this.before = new Map(stats.map(each => [each.id, each]));
        for (const id of this.histories.keys()) {
            if (!this.before.has(id)) {
                this.histories.delete(id);
            }
        }
        this.at = millis;
        return rates;
    }

    history(id) {
        return this.histories.get(id);
    }

    /** Forgets the last counters: the next answer is a beginning. */
    restart() {
        this.before.clear();
        this.at = 0;
    }
}

export const meter = new Meter();
