// What several views show: states, chips, chains, sparks.
import {html, nothing, svg} from './lib.js';
import {lower, pathOf, plural, typeInSpec, typeOf} from './format.js';

/** The tone of a state of a disk, a job, a bundle or a check. */
const TONES = {
    running: 'runs', ok: 'runs', active: 'runs', done: 'runs',
    opening: 'works', parking: 'works', detaching: 'works', completing: 'works', ready: 'works', starting: 'works',
    parked: 'waits', paused: 'waits', warn: 'waits', resolved: 'waits', installed: 'waits', absent: 'waits',
    failed: 'fails', critical: 'fails',
};

export function state(value, tones = TONES) {
    const name = lower(value);
    return html`<span class="state ${tones[name] || 'ended'}"><span class="dot" aria-hidden="true"></span>${name}</span>`;
}

/** A job that runs is blue: it is on its way, not well or ill. */
export const JOB_TONES = {...TONES, running: 'works', done: 'runs'};

/** The state of a disk; one that an operator has not asked for is red. */
export function diskState(disk) {
    const parkedByItself = lower(disk.state) === 'parked' && lower(disk.reason?.kind) !== 'operator';
    return state(disk.state, parkedByItself ? {...TONES, parked: 'fails'} : TONES);
}

/** The images of a disk from the uppermost down, as far as they are known. */
export function chainOf(disk) {
    if (disk.chain?.length) {
        return disk.chain.map(each => (typeof each === 'string' ? each : each.spec));
    }
    const below = disk.details?.['backing image'];
    return below ? [disk.spec, below] : [disk.spec];
}

const SHOWN = 3;

/** A chain in one line: qcow2 › qcow2 › raw. */
export function chainLine(disk) {
    const chain = chainOf(disk);
    const shown = chain.length > SHOWN + 1 ? chain.slice(0, SHOWN) : chain;
    return html`<span class="chain-line" title=${chain.join('\n')}>${shown.map(typeOf).join(' › ')}${
        chain.length > shown.length ? html` <span class="depth">+${chain.length - shown.length}</span>` : nothing
    }<span class="hidden-text"> ${plural(chain.length, 'image')}</span></span>`;
}

export function chainList(disk) {
    return html`<ol class="chain" aria-label="Chain of images, the uppermost first">
        ${chainOf(disk).map(spec => html`<li><span class="chip type">${typeOf(spec)}</span> <code>${pathOf(spec)}</code></li>`)}
    </ol>`;
}

/** How many clients or VMs are at a node, or null where it does not say. */
function clients(node) {
    const said = node.status || {};
    if (Number.isFinite(said.clients)) {
        return said.clients;
    }
    return typeof said.client === 'string' ? (said.client === 'none' ? 0 : 1) : null;
}

export function nodeChips(disk) {
    return disk.nodes?.length
        ? html`<span class="chips">${disk.nodes.map(node => html`<span class="chip" title=${node.address}>${node.kind}${clients(node) ? html` ·${clients(node)}<span class="hidden-text"> clients</span>` : nothing}</span>`)}</span>`
        : html`<span class="soft">none</span>`;
}

export function filterChips(disk) {
    return disk.filters?.length
        ? html`<span class="chips">${disk.filters.map(spec => html`<span class="chip" title=${spec}>${typeInSpec(spec)}</span>`)}</span>`
        : html`<span class="soft">–</span>`;
}

const WIDTH = 84;
const HEIGHT = 24;
const WINDOW = 60;

/** The last minute of a disk's throughput, without numbers. */
export function spark(history) {
    if (!history || history.at.length < 2) {
        return nothing;
    }
    const columns = [history.read.slice(-WINDOW), history.write.slice(-WINDOW)];
    const most = Math.max(1, ...columns[0], ...columns[1]);
    const line = column => column
        .map((value, i) => `${(WIDTH - (column.length - 1 - i) * (WIDTH / (WINDOW - 1))).toFixed(1)},${(HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)}`)
        .join(' ');
    return html`<svg class="spark" viewBox="0 0 84 24" aria-hidden="true" preserveAspectRatio="none">
        ${svg`<polyline class="read" points=${line(columns[0])}/><polyline class="write" points=${line(columns[1])}/>`}
    </svg>`;
}

/** A line for people, spoken by those who listen, gone after a while. */
export function say(text, bad = false) {
    const toast = document.createElement('div');
    toast.className = bad ? 'toast bad' : 'toast';
    toast.textContent = text;
    document.getElementById('said').append(toast);
    setTimeout(() => toast.remove(), bad ? 12_000 : 5_000);
}

/** Runs an action of a button: its result or problem is said. */
export async function act(event, function_, done) {
    const button = event.currentTarget;
    button.disabled = true;
    try {
        await function_();
        if (done) {
            say(done);
        }
    } catch (problem) {
        say([problem.title, problem.detail].filter(Boolean).join(': ') || String(problem), true);
    } finally {
        const focused = document.activeElement;
        button.disabled = false;
        if (focused === document.body && button.isConnected) {
            button.focus();
        }
    }
}
