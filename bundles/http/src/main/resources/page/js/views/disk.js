// One disk: its load, its chain, who uses it, and what can be done with it.
import {html, nothing} from '../lib.js';
import {charts} from '../charts.js';
import {detachDialog, resizeDialog, snapshotDialog} from '../dialogs/disk.js';
import {jobDialog} from '../dialogs/job.js';
import {bytes, count, lower, micros, seconds} from '../format.js';
import {icon} from '../icons.js';
import {chainList, diskState} from '../parts.js';
import {meter} from '../rates.js';
import {state} from '../store.js';
import {eventRows} from './events.js';
import {jobItem} from './jobs.js';
import {filtersCard, nodesCard} from './reach.js';
import {parkButton} from './disks.js';

function fact(name, value) {
    return value === undefined || value === '' || value === null ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`;
}

/** What the driver reports is shown under its own names; what stands elsewhere on the page is left out. */
const SHOWN_ELSEWHERE = new Set(['file', 'backing', 'backing image', 'name']);

function image(disk) {
    const details = Object.entries(disk.details || {}).filter(([key]) => !SHOWN_ELSEWHERE.has(key));
    const options = Object.entries(disk.options || {});
    return html`<section class="card" aria-labelledby="image-title"><header><h2 id="image-title">Image</h2></header><div class="body column">
        ${chainList(disk)}
        <dl class="facts">
            ${fact('Size', `${bytes(disk.sizeBytes)} (${disk.sizeBytes.toLocaleString('en')} bytes)`)}
            ${fact('Access', disk.readOnly ? 'read-only' : 'read-write')}
            ${fact('Block size', `${disk.blockSize} B`)}
            ${fact('Engine', disk.engine)}
            ${details.map(([key, value]) => fact(key, value))}
            ${options.map(([key, value]) => fact(`option ${key}`, value))}
        </dl></div></section>`;
}

function operations(disk) {
    const stats = state.stats.get(disk.id);
    if (!stats) {
        return nothing;
    }
    const rows = Object.entries(stats.operations || {});
    const head = ['Count', 'Bytes', 'Errors', 'Mean', 'p50', 'p99', 'Max'];
    return html`<section class="card" aria-labelledby="operations-title"><header><h2 id="operations-title">Operations since the attach</h2></header>
        <div class="scroll"><table><thead><tr><th scope="col">Operation</th>${head.map(each => html`<th scope="col" class="number">${each}</th>`)}</tr></thead>
            <tbody>${rows.map(([name, each]) => html`<tr><td>${name}</td><td class="number">${count(each.count)}</td><td class="number">${bytes(each.bytes)}</td>
                <td class="number">${count(each.errors)}</td><td class="number">${micros(each.latency.mean)}</td><td class="number">${micros(each.latency.p50)}</td>
                <td class="number">${micros(each.latency.p99)}</td><td class="number">${micros(each.latency.max)}</td></tr>`)}
            ${rows.length ? nothing : html`<tr><td colspan="8" class="soft">None yet.</td></tr>`}</tbody></table></div>
        <p class="body soft">${count(stats.inFlight)} in flight; parked ${count(stats.parks)} times, ${seconds(stats.parkedMillis / 1000)} in all</p></section>`;
}

function work(disk) {
    const jobs = state.jobs.filter(each => each.attachment === disk.id);
    return jobs.length ? html`<section class="card" aria-labelledby="jobs-title"><header><h2 id="jobs-title">Jobs</h2></header>
        <ul class="list">${jobs.map(each => jobItem(each, false))}</ul></section>` : nothing;
}

export function diskView(id) {
    const disk = state.disks?.find(each => each.id === id);
    if (!disk) {
        return html`<div class="head"><a class="back" href="#/disks" aria-label="All disks">${icon('back')}</a><h1>${id}</h1></div>
            <p class="soft">${state.disks === null ? 'Loading…' : 'No such disk is attached.'}</p>`;
    }
    const runs = lower(disk.state) === 'running';
    const happened = state.events.filter(each => each.subject === id).slice(0, 12);
    return html`
        <div class="head"><a class="back" href="#/disks" aria-label="All disks">${icon('back')}</a><h1>${disk.id}</h1>${diskState(disk)}
            ${disk.reason?.text ? html`<span class="soft">${disk.reason.text}</span>` : nothing}
            <div class="actions">
                ${parkButton(disk, false)}
                <button type="button" class="button" ?disabled=${!runs} @click=${() => snapshotDialog(disk)}>${icon('layers')} Snapshot</button>
                <button type="button" class="button" ?disabled=${!runs} @click=${() => resizeDialog(disk)}>${icon('grow')} Resize</button>
                <button type="button" class="button" ?disabled=${!runs} @click=${() => jobDialog(disk)}>${icon('job')} Start job</button>
                <button type="button" class="button danger" @click=${async () => { if (await detachDialog(disk)) { location.hash = '#/disks'; } }}>${icon('eject')} Detach</button>
            </div></div>
        ${charts(meter.history(disk.id))}
        <div class="pair">
            <div class="column">${image(disk)}${nodesCard(disk)}</div>
            <div class="column">${work(disk)}${filtersCard(disk)}${operations(disk)}
                ${happened.length ? html`<section class="card" aria-labelledby="events-title"><header><h2 id="events-title">Last events</h2></header>
                    <div class="scroll"><table class="event-table"><tbody>${eventRows(happened, false)}</tbody></table></div></section>` : nothing}</div>
        </div>`;
}
