// The two charts of a disk, or of all disks.
import './chart.js';
import {html} from './lib.js';
import {bytesPerSecond, micros} from './format.js';

/** Steps of an axis of bytes: powers of two, so that its labels are round. */
const BYTE_STEPS = Array.from({length: 50}, (none, i) => 2 ** i);
const MICRO_STEPS = Array.from({length: 10}, (none, i) => [1, 2, 5].map(each => each * 10 ** i)).flat();

const THROUGHPUT = {title: 'Throughput', lines: ['read', 'write'], format: bytesPerSecond, steps: BYTE_STEPS, least: 64 * 1024};
const LATENCY = {title: 'Mean latency', lines: ['read', 'write'], format: micros, steps: MICRO_STEPS, least: 100};

export function charts(history) {
    const column = name => (history ? history[name] : []);
    return html`<section class="pair" aria-label="Live load">
        <div class="card"><live-chart id="throughput" .setup=${THROUGHPUT} .data=${[column('at').slice(), column('read'), column('write')]}></live-chart></div>
        <div class="card"><live-chart id="latency" .setup=${LATENCY} .data=${[column('at').slice(), column('readLatency'), column('writeLatency')]}></live-chart></div>
    </section>`;
}
