// Put a filter into a disk, change its options, take it out.
import {html, nothing} from '../lib.js';
import {api} from '../api.js';
import {ask, confirm, keysAndValues} from '../dialog.js';
import {micros, typeInSpec} from '../format.js';
import {refresh} from '../live.js';
import {say} from '../parts.js';
import {state} from '../store.js';
import {named} from './attach.js';

function done(disk, text, change) {
    refresh('disks', 'stats');
    say(change.pausedMicros > 0 ? `${text}; ${disk.id} paused ${micros(change.pausedMicros)}` : text);
    return change;
}

export function addFilterDialog(disk) {
    return ask({
        title: `Add a filter to ${disk.id}`,
        submit: 'Add',
        body: () => html`<div class="fields">
            <div class="field"><label for="filter-spec">Filter</label>
                <input id="filter-spec" name="filter" class="mono" required autofocus spellcheck="false" list="filter-known" placeholder="throttle,iops=2000">
                <datalist id="filter-known">${named(state.daemon?.filters).map(each => html`<option value=${each.name}>${each.summary}</option>`)}</datalist>
                <small>The disk stays open; the VM sees a pause.</small></div>
            ${disk.filters?.length ? html`<div class="field"><label for="filter-below">Place</label>
                <select id="filter-below" name="below"><option value="">above all</option>
                    ${disk.filters.map(typeInSpec).map(each => html`<option value=${each}>below ${each}</option>`)}</select></div>` : nothing}
        </div>`,
        act: async data => {
            const request = {filter: data.get('filter').trim()};
            if (data.get('below')) {
                request.below = data.get('below');
            }
            return done(disk, `${typeInSpec(request.filter)} filters ${disk.id}`, await api.addFilter(disk.id, request));
        },
    });
}

/** What differs between two sets of options; null takes one back. */
export function changes(before, after) {
    const all = {};
    for (const [key, value] of Object.entries(after)) {
        if (before[key] !== value) {
            all[key] = value;
        }
    }
    for (const key of Object.keys(before)) {
        if (!(key in after)) {
            all[key] = null;
        }
    }
    return all;
}

export function setFilterDialog(disk, spec) {
    const lines = spec.split(',').slice(1);
    const type = typeInSpec(spec);
    return ask({
        title: `Options of ${type} on ${disk.id}`,
        submit: 'Set',
        body: () => html`<div class="field"><label for="filter-options">Options</label>
            <textarea id="filter-options" name="options" rows=${Math.max(4, lines.length + 1)} spellcheck="false" autofocus .defaultValue=${lines.join('\n')}></textarea>
            <small>KEY=VALUE, one in each line. An option whose line is removed is taken back.</small></div>`,
        act: async data => {
            const options = changes(keysAndValues(lines.join('\n')), keysAndValues(data.get('options')));
            if (Object.keys(options).length === 0) {
                return true;
            }
            return done(disk, `${type} is changed`, await api.setFilter(disk.id, type, options));
        },
    });
}

export function removeFilterDialog(disk, spec) {
    const type = typeInSpec(spec);
    return confirm(
        `Remove ${type} from ${disk.id}?`,
        'Requests pass without it from then on. The disk stays open; the VM sees a pause.',
        'Remove',
        async () => done(disk, `${type} is removed from ${disk.id}`, await api.removeFilter(disk.id, type)),
    );
}
