// Calls of the daemon. Every answer that is no success throws a Problem.
import {token} from './session.js';

const BASE = 'api/v1/';

/** What the daemon answers instead of a result, or that it does not answer: status 0. */
export class Problem extends Error {
    constructor(status, title, detail) {
        super(detail || title);
        this.name = 'Problem';
        this.status = status;
        this.title = title;
        this.detail = detail;
    }
}

function headers(more) {
    const all = new Headers(more);
    if (token()) {
        all.set('Authorization', `Bearer ${token()}`);
    }
    return all;
}

async function problem(response) {
    let body = {};
    if ((response.headers.get('Content-Type') || '').includes('json')) {
        body = await response.json().catch(() => ({}));
    }
    const text = value => (typeof value === 'string' ? value : '');
    return new Problem(response.status, text(body.title) || `Status ${response.status}`, text(body.detail));
}

/**
 * Sends a request. Returns the response if it is a success.
 * @param options json: an object as body; body, type: anything else; timeout: milliseconds, 0 for none; signal
 */
export async function send(method, path, options = {}) {
    const {json, timeout = 20_000} = options;
    const signals = [options.signal, timeout ? AbortSignal.timeout(timeout) : null].filter(Boolean);
    const more = {Accept: options.accept || 'application/json'};
    if (json !== undefined) {
        more['Content-Type'] = 'application/json';
    } else if (options.type) {
        more['Content-Type'] = options.type;
    }
    let response;
    try {
        response = await fetch(path, {
            method,
            headers: headers(more),
            body: json === undefined ? options.body : JSON.stringify(json),
            signal: signals.length ? AbortSignal.any(signals) : undefined,
            cache: 'no-store',
            redirect: 'error',
            credentials: 'same-origin',
        });
    } catch (error) {
        throw new Problem(0, 'No answer', error.name === 'TimeoutError' ? 'The daemon did not answer in time.' : 'The daemon does not answer.');
    }
    if (!response.ok && !options.accepts?.includes(response.status)) {
        throw await problem(response);
    }
    return response;
}

async function call(method, path, options) {
    const response = await send(method, BASE + path, options);
    const text = await response.text().catch(() => {
        throw new Problem(0, 'No answer', 'The answer was cut off.');
    });
    return text ? JSON.parse(text) : null;
}

const part = encodeURIComponent;
/** What changes a disk may wait for its VM and its storage. */
const SLOW = {timeout: 0};

export const api = {
    daemon: () => call('GET', 'daemon'),
    disks: () => call('GET', 'attachments'),
    disk: id => call('GET', `attachments/${part(id)}`),
    stats: () => call('GET', 'stats'),
    jobs: () => call('GET', 'jobs'),
    bundles: () => call('GET', 'bundles'),
    diag: () => call('GET', 'diag'),
    health: async () => (await send('GET', 'health', {accepts: [503]})).json(),

    attach: request => call('POST', 'attachments', {json: request, ...SLOW}),
    detach: (id, force) => call('DELETE', `attachments/${part(id)}${force ? '?force=true' : ''}`, SLOW),
    park: id => call('POST', `attachments/${part(id)}/park`, {json: {}, ...SLOW}),
    resume: id => call('POST', `attachments/${part(id)}/resume`, {json: {}, ...SLOW}),
    snapshot: (id, request) => call('POST', `attachments/${part(id)}/snapshot`, {json: request, ...SLOW}),
    resize: (id, request) => call('POST', `attachments/${part(id)}/resize`, {json: request, ...SLOW}),
    plug: (id, node) => call('POST', `attachments/${part(id)}/plug`, {json: {node}, ...SLOW}),
    unplug: (id, node, force) => call('POST', `attachments/${part(id)}/unplug`, {json: {node, force}, ...SLOW}),
    addFilter: (id, request) => call('POST', `attachments/${part(id)}/filters`, {json: request, ...SLOW}),
    setFilter: (id, type, options) => call('PATCH', `attachments/${part(id)}/filters/${part(type)}`, {json: {options}, ...SLOW}),
    removeFilter: (id, type) => call('DELETE', `attachments/${part(id)}/filters/${part(type)}`, SLOW),

    startJob: request => call('POST', 'jobs', {json: request, ...SLOW}),
    jobAction: (id, action) => call('POST', `jobs/${part(id)}/${action}`, {json: {}, ...SLOW}),
    setJob: (id, patch) => call('PATCH', `jobs/${part(id)}`, {json: patch}),

    deploy: (name, file) => call('POST', `bundles?name=${part(name)}`, {body: file, type: 'application/java-archive', ...SLOW}),
    undeploy: name => call('DELETE', `bundles/${part(name)}`, SLOW),

    /** The stream of events, as a response whose body does not end. */
    events: (query, signal) => send('GET', `${BASE}events?${new URLSearchParams(query)}`, {accept: 'text/event-stream', timeout: 0, signal}),
};
