// What has happened, as it happens.
import {html, live, nothing, repeat} from '../lib.js';
import {lower, time} from '../format.js';
import {changeUi, state} from '../store.js';

const BAD = new Set(['errors', 'deploy-refused', 'lost', 'gap']);

function tone(event) {
    if (BAD.has(event.kind) || (event.kind === 'job' && lower(event.details?.state) === 'failed')) {
        return 'fails';
    }
    return event.kind === 'parked' ? 'waits' : event.kind === 'resumed' || event.kind === 'attached' ? 'runs' : 'ended';
}

export function eventRows(events, withSubject = true) {
    const isDisk = event => state.disks?.some(each => each.id === event.subject);
    return repeat(events, each => each.sequence, each => html`<tr>
        <td class="soft nowrap"><time datetime=${new Date(each.timeMillis).toISOString()}>${time(each.timeMillis)}</time></td>
        <td class="nowrap"><span class="state ${tone(each)}">${each.kind}</span></td>
        ${withSubject ? html`<td class="nowrap">${isDisk(each) ? html`<a href=${`#/disks/${encodeURIComponent(each.subject)}`}>${each.subject}</a>` : each.subject}</td>` : nothing}
        <td class="event-text">${each.text}</td></tr>`);
}

export function eventsView() {
    const {eventFilter, eventKind} = state.ui;
    const kinds = [...new Set(state.events.map(each => each.kind))].sort();
    const wanted = lower(eventFilter);
    const shown = state.events.filter(each => (!eventKind || each.kind === eventKind) && (!wanted || lower(`${each.subject} ${each.text}`).includes(wanted)));
    return html`
        <div class="head"><h1>Events</h1></div>
        <section class="card" aria-label="Events">
            <header>
                <select class="bar-filter" aria-label="Kind" @change=${event => changeUi({eventKind: event.target.value})}>
                    <option value="" ?selected=${eventKind === ''}>All kinds</option>
                    ${kinds.map(each => html`<option ?selected=${each === eventKind}>${each}</option>`)}</select>
                <input type="search" class="bar-filter" placeholder="Filter" aria-label="Filter events" .value=${live(eventFilter)} @input=${event => changeUi({eventFilter: event.target.value})}>
            </header>
            ${shown.length ? html`<div class="scroll"><table class="event-table"><thead><tr>${['Time', 'Kind', 'Of', 'What'].map(each => html`<th scope="col">${each}</th>`)}</tr></thead>
                <tbody>${eventRows(shown)}</tbody></table></div>` : html`<p class="empty">No event.</p>`}
        </section>`;
}
