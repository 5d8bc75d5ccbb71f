// All disks at a glance.
import {html, live, nothing, repeat} from '../lib.js';
import {charts} from '../charts.js';
import {bytes, bytesPerSecond, count, lower, micros} from '../format.js';
import {attachDialog} from '../dialogs/attach.js';
import {api} from '../api.js';
import {icon} from '../icons.js';
import {refresh} from '../live.js';
import {act, chainLine, diskState, filterChips, nodeChips, spark} from '../parts.js';
import {meter} from '../rates.js';
import {changeUi, state} from '../store.js';

function tile(name, value, small = '') {
    return html`<div><dt>${name}</dt><dd>${value}${small ? html` <small>${small}</small>` : nothing}</dd></div>`;
}

function tiles(disks) {
    const sum = meter.sum;
    const parked = disks.filter(each => lower(each.state) === 'parked').length;
    const operations = sum ? sum.read.operations + sum.write.operations : NaN;
    return html`<dl class="tiles" aria-label="All disks">
        ${tile('Disks', disks.length, parked ? `${parked} parked` : '')}
        ${tile('Capacity', bytes(disks.reduce((all, each) => all + each.sizeBytes, 0)))}
        ${tile('Read', bytesPerSecond(sum?.read.bytes ?? NaN))}
        ${tile('Write', bytesPerSecond(sum?.write.bytes ?? NaN))}
        ${tile('Operations', count(operations), '/s')}
        ${tile('In flight', sum ? count(sum.inFlight) : '–')}
    </dl>`;
}

/** Mean latency of reads and writes together. */
function latency(rate) {
    const ended = rate ? rate.read.ended + rate.write.ended : 0;
    return ended ? (rate.read.micros + rate.write.micros) / ended : NaN;
}

export function parkButton(disk, small) {
    const parked = lower(disk.state) === 'parked';
    const change = event => act(event, async () => {
        await (parked ? api.resume(disk.id) : api.park(disk.id));
        refresh('disks', 'health');
    }, parked ? `${disk.id} runs` : `${disk.id} is parked; its VM waits`);
    const text = parked ? 'Resume' : 'Park';
    return html`<button type="button" class="button ${small ? 'small only-icon quiet' : ''} park" ?disabled=${!['parked', 'running'].includes(lower(disk.state))}
        title=${text} aria-label=${`${text} ${disk.id}`} @click=${change}>${icon(parked ? 'play' : 'pause')}${small ? nothing : ` ${text}`}</button>`;
}

function row(disk) {
    const rate = state.rates.get(disk.id);
    return html`<tr role="row" data-disk=${disk.id}>
        <td role="cell" class="full"><a class="name" href=${`#/disks/${encodeURIComponent(disk.id)}`}>${disk.id}</a>
            <span class="two-lines mono" title=${disk.spec}>${disk.spec}</span>${disk.reason?.text ? html`<span class="why">${disk.reason.text}</span>` : nothing}</td>
        <td role="cell" data-label="State">${diskState(disk)}</td>
        <td role="cell" class="number" data-label="Size">${bytes(disk.sizeBytes)}${disk.readOnly ? html`<span class="two-lines">read-only</span>` : nothing}</td>
        <td role="cell" data-label="Chain">${chainLine(disk)}</td>
        <td role="cell" data-label="Nodes">${nodeChips(disk)}</td>
        <td role="cell" data-label="Filters">${filterChips(disk)}</td>
        <td role="cell" class="number" data-label="Read">${bytesPerSecond(rate?.read.bytes ?? NaN)}</td>
        <td role="cell" class="number" data-label="Write">${bytesPerSecond(rate?.write.bytes ?? NaN)}</td>
        <td role="cell" class="number" data-label="Ops/s">${count(rate ? rate.read.operations + rate.write.operations : NaN)}</td>
        <td role="cell" class="number" data-label="Latency">${micros(latency(rate))}</td>
        <td role="cell" class="wide-only">${spark(meter.history(disk.id))}</td>
        <td role="cell" class="corner">${parkButton(disk, true)}</td>
    </tr>`;
}

function shown(disk) {
    const filter = lower(state.ui.diskFilter);
    return !filter || [disk.id, disk.spec, disk.state, ...(disk.nodes || []).map(each => each.kind), ...(disk.filters || [])].some(each => lower(each).includes(filter));
}

function table(disks) {
    const rows = disks.filter(shown);
    return html`<section class="card" aria-labelledby="disks-title">
        <header><h2 id="disks-title">Disks</h2>
            <input type="search" class="bar-filter end" placeholder="Filter" aria-label="Filter disks" .value=${live(state.ui.diskFilter)} @input=${event => changeUi({diskFilter: event.target.value})}></header>
        ${rows.length ? html`<div class="scroll"><table class="cards" role="table" aria-labelledby="disks-title">
            <thead role="rowgroup"><tr role="row">
                ${['Disk', 'State'].map(each => html`<th role="columnheader" scope="col">${each}</th>`)}
                <th role="columnheader" scope="col" class="number">Size</th>
                ${['Chain', 'Nodes', 'Filters'].map(each => html`<th role="columnheader" scope="col">${each}</th>`)}
                ${['Read', 'Write', 'Ops/s', 'Latency'].map(each => html`<th role="columnheader" scope="col" class="number">${each}</th>`)}
                <th role="columnheader" scope="col" class="wide-only"><span class="hidden-text">Last minute</span></th>
                <th role="columnheader" scope="col"><span class="hidden-text">Actions</span></th>
            </tr></thead>
            <tbody role="rowgroup">${repeat(rows, each => each.id, row)}</tbody>
        </table></div>` : html`<div class="empty"><p>${disks.length ? 'No disk matches the filter.' : 'No disk is attached.'}</p></div>`}
    </section>`;
}

export function disksView() {
    const disks = state.disks || [];
    return html`
        <div class="head"><h1>Disks</h1>
            <div class="actions"><button type="button" class="button main attach" @click=${attachDialog}>${icon('plus')} Attach disk</button></div></div>
        ${tiles(disks)}
        ${charts(meter.total)}
        ${state.disks === null ? html`<p class="soft">Loading…</p>` : table(disks)}`;
}
