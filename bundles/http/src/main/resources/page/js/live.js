// Keeps what the page shows equal to the daemon: polls counters, follows events, and comes back after a restart.
import {api} from './api.js';
import {keepToken, token} from './session.js';
import {change, state} from './store.js';
import {meter} from './rates.js';
import {readEvents} from './stream.js';
import {lower} from './format.js';
import {askForChains, forgetChain, withChains} from './chains.js';

const SECOND = 1000;
/** Events that are kept for the page. */
const KEPT = 500;
/** Without a sign of life for so long, a stream of events is opened anew. */
const SILENCE = 20 * SECOND;
const HEALTH_AGE = 1.2 * SECOND;

let ended = new AbortController();
const wakes = new Map();
/** Loops that must run again at once, since they were running when they were asked to. */
const due = new Set();

function pause(name, millis, signal) {
    if (due.delete(name)) {
        return Promise.resolve();
    }
    return new Promise(resolve => {
        const done = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            wakes.delete(name);
            resolve();
        };
        const timer = setTimeout(done, millis);
        signal.addEventListener('abort', done);
        wakes.set(name, done);
    });
}

/** Has loops run at once instead of when their time comes. */
export function refresh(...names) {
    for (const name of names) {
        const wake = wakes.get(name);
        if (wake) {
            wake();
        } else {
            due.add(name);
        }
    }
}

function failed(name, problem) {
    if (problem.status === 401 || problem.status === 403) {
        signOut(token() ? 'The daemon does not accept the token any more.' : '');
    } else if (name === 'stats' && state.online) {
        // the others fail with it, or for reasons of their own: too many followers, a part of the daemon that is not there
        meter.restart();
        change({online: false});
    }
}

/** Calls a function again and again until the page is signed out, and applies the change that it returns. */
async function loop(name, millis, function_) {
    const signal = ended.signal;
    while (!signal.aborted) {
        try {
            const patch = await function_(signal);
            if (patch && !signal.aborted) {
                change(patch);
            }
        } catch (problem) {
            if (!signal.aborted) {
                failed(name, problem);
            }
        }
        if (!signal.aborted) {
            await pause(name, millis(), signal);
        }
    }
}

async function stats(signal) {
    const answer = await api.stats();
    if (signal.aborted) {
        return;
    }
    const rates = meter.measure(answer.attachments, answer.timeMillis);
    const back = !state.online;
    change({online: true, stats: new Map(answer.attachments.map(each => [each.id, each])), rates});
    if (back) {
        refresh('daemon', 'disks', 'jobs', 'health', 'bundles', 'events');
    }
}

function working(jobs) {
    return jobs.some(each => !['done', 'failed'].includes(lower(each.state)));
}

async function disks(signal) {
    const answer = await api.disks();
    if (!signal.aborted) {
        change({disks: withChains(answer)});
        await askForChains(answer, signal, () => change({disks: withChains(answer)}));
    }
}

async function health() {
    const [report, diag] = await Promise.all([api.health(), api.diag()]);
    return {health: report, diag};
}

/** What must be asked for anew after an event of a kind. */
const CHANGED_BY = {
    attached: ['disks', 'health'],
    detached: ['disks', 'jobs', 'health'],
    parked: ['disks', 'health'],
    resumed: ['disks', 'health'],
    changed: ['disks'],
    errors: ['health'],
    job: ['jobs', 'disks', 'health'],
    deployed: ['bundles', 'daemon', 'disks', 'health'],
    undeployed: ['bundles', 'daemon', 'disks', 'health'],
    'deploy-refused': ['bundles'],
    connected: ['disks'],
    disconnected: ['disks'],
};

let arrived = [];

/** Takes events together that come together: the history at first, or what happened meanwhile. */
function take(event) {
    if (arrived.push(event) === 1) {
        setTimeout(takeAll, 50);
    }
}

function takeAll() {
    const all = new Map([...state.events, ...arrived].filter(each => Number.isFinite(each.sequence)).map(each => [each.sequence, each]));
    const names = new Set();
    for (const event of arrived) {
        forgetChain(event.subject);
        (CHANGED_BY[event.kind] || []).forEach(name => names.add(name));
    }
    arrived = [];
    if (state.session === 'in') {
        change({events: [...all.values()].sort((a, b) => b.sequence - a.sequence).slice(0, KEPT)});
        refresh(...names);
        if (names.has('health')) {
            // the daemon may have answered with checks that are a second old
            setTimeout(() => refresh('health'), HEALTH_AGE);
        }
    }
}

async function events(signal) {
    if (document.hidden) {
        // a browser opens few connections to a place: those who look at the page need them
        return;
    }
    const stop = new AbortController();
    const abort = () => stop.abort();
    let silence = setTimeout(abort, SILENCE);
    signal.addEventListener('abort', abort);
    const hide = () => document.hidden && abort();
    document.addEventListener('visibilitychange', hide);
    try {
        const newest = state.events[0]?.sequence;
        const response = await api.events({after: newest ?? 0}, stop.signal);
        await readEvents(response.body, each => {
            clearTimeout(silence);
            silence = setTimeout(abort, SILENCE);
            if (each !== null) {
                take(JSON.parse(each.data));
            }
        });
    } catch (problem) {
        if (!stop.signal.aborted && problem.status !== undefined) {
            throw problem;
        }
    } finally {
        clearTimeout(silence);
        signal.removeEventListener('abort', abort);
        document.removeEventListener('visibilitychange', hide);
    }
}

function start() {
    ended.abort();
    ended = new AbortController();
    due.clear();
    meter.restart();
    const every = millis => () => millis;
    loop('stats', every(SECOND), stats);
    loop('disks', every(5 * SECOND), disks);
    loop('jobs', () => (working(state.jobs) ? SECOND : 10 * SECOND), async () => ({jobs: await api.jobs()}));
    loop('health', every(15 * SECOND), health);
    loop('daemon', every(60 * SECOND), async () => ({daemon: await api.daemon()}));
    loop('bundles', every(60 * SECOND), async () => ({bundles: await api.bundles()}));
    loop('events', every(SECOND), events);
}

document.addEventListener('visibilitychange', () => document.hidden || refresh('stats', 'disks', 'jobs', 'events'));

/** Tries a token, or without one the certificate of the browser. Returns whether the daemon accepts it. */
export async function signIn(value) {
    if (!/^[!-~]*$/.test(value)) {
        change({refused: 'This is no token: it has characters that no token has.'});
        return false;
    }
    keepToken(value);
    try {
        const daemon = await api.daemon();
        change({session: 'in', refused: '', daemon, online: true});
        start();
        return true;
    } catch (problem) {
        keepToken('');
        const wrong = problem.status === 401 || problem.status === 403;
        change({session: 'out', refused: wrong ? (value ? `The daemon does not accept this token. ${problem.detail}`.trim() : '') : problem.message});
        return false;
    }
}

/** Goes in with the token of this tab, or without; waits for a daemon that does not answer yet. */
export async function resumeSession() {
    const kept = token();
    if (!kept && location.protocol !== 'https:') {
        // nothing that the daemon could accept
        change({session: 'out'});
        return;
    }
    for (;;) {
        try {
            const daemon = await api.daemon();
            change({session: 'in', daemon});
            start();
            return;
        } catch (problem) {
            if (problem.status === 401 || problem.status === 403 || !kept) {
                keepToken('');
                change({session: 'out', refused: ''});
                return;
            }
            change({online: false});
            await new Promise(resolve => setTimeout(resolve, SECOND));
        }
    }
}

export function signOut(why = '') {
    ended.abort();
    keepToken('');
    change({session: 'out', refused: why, disks: null, daemon: null, stats: new Map(), rates: new Map(), jobs: [], bundles: null, health: null, diag: null, events: []});
}
