// Is all well, and if not, why.
import {html, nothing} from '../lib.js';
import {bytes, seconds} from '../format.js';
import {refresh} from '../live.js';
import {state as stateBadge} from '../parts.js';
import {state} from '../store.js';

function checks() {
    const report = state.health;
    return html`<section class="card" aria-labelledby="checks-title"><header><h2 id="checks-title">Checks</h2></header>
        <div class="scroll"><table><thead><tr>${['Check', 'Status', 'What'].map(each => html`<th scope="col">${each}</th>`)}<th scope="col" class="number">Took</th></tr></thead>
            <tbody>${report.checks.map(each => html`<tr data-check=${each.name}><td class="name">${each.name}</td><td>${stateBadge(each.status)}</td>
                <td class="event-text">${each.messages.map(line => html`<div>${line}</div>`)}</td><td class="number soft">${each.millis} ms</td></tr>`)}</tbody></table></div></section>`;
}

function lines() {
    const diag = Array.isArray(state.diag) ? state.diag : state.diag?.lines || [];
    return html`<section class="card" aria-labelledby="diag-title"><header><h2 id="diag-title">Diagnosis</h2></header>
        ${diag.length ? html`<ul class="list diag">${diag.map(each => html`<li class="event-text">${each}</li>`)}</ul>` : html`<p class="empty">All is active.</p>`}</section>`;
}

/** A limit of the daemon, such as http_connections or heap_bytes, and how near it is. */
function limit(name, used, max) {
    const number = name.endsWith('_bytes') ? bytes : String;
    return [name.replace(/_bytes$/, '').replaceAll('_', ' '), `${number(used)} of ${number(max)}`];
}

function daemon() {
    const is = state.daemon || {};
    const fact = (name, value) => (value === undefined ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`);
    return html`<section class="card" aria-labelledby="daemon-title"><header><h2 id="daemon-title">Daemon</h2></header>
        <dl class="facts body">${fact('Version', is.version)}${fact('Process', is.pid)}${fact('Up for', seconds(is.uptimeSeconds))}${fact('Java', is.java)}
            ${Object.entries(is.limits || {}).map(([name, {used, max}]) => fact(...limit(name, used, max)))}</dl></section>`;
}

export function healthView() {
    return html`
        <div class="head"><h1>Health</h1>${state.health ? stateBadge(state.health.status) : nothing}
            <div class="actions"><button type="button" class="button" @click=${() => refresh('health', 'daemon')}>Check again</button></div></div>
        ${state.health ? checks() : html`<p class="soft">Loading…</p>`}
        ${state.diag ? lines() : nothing}
        ${daemon()}`;
}
