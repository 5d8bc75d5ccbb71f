// Attach a disk.
import {html, repeat} from '../lib.js';
import {api} from '../api.js';
import {ask, keysAndValues} from '../dialog.js';
import {refresh} from '../live.js';
import {say} from '../parts.js';
import {icon} from '../icons.js';
import {state} from '../store.js';

let next = 0;

/** A list of specs, each in a field of its own: nodes, filters. */
class Specs {
    constructor(name, label, one, hint, known, values) {
        Object.assign(this, {name, label, one, hint, known, rows: values.map(value => ({key: next++, value}))});
    }

    get values() {
        return this.rows.map(row => row.value.trim()).filter(Boolean);
    }

    fields(redraw) {
        const list = `${this.name}-known`;
        const remove = (event, row) => {
            const group = event.currentTarget.closest('[role=group]');
            this.rows = this.rows.filter(each => each !== row);
            redraw();
            group.querySelector('.add').focus();
        };
        const add = event => {
            const group = event.currentTarget.closest('[role=group]');
            this.rows = [...this.rows, {key: next++, value: ''}];
            redraw();
            [...group.querySelectorAll('input')].pop().focus();
        };
        return html`<div class="field" role="group" aria-label=${this.label}>
            <span class="label">${this.label}</span>
            ${repeat(this.rows, row => row.key, (row, i) => html`<div class="line">
                <input class="mono" name=${this.name} list=${list} aria-label=${`${this.one} ${i + 1}`} .value=${row.value} spellcheck="false" @input=${event => { row.value = event.target.value; }}>
                <button type="button" class="button only-icon" aria-label=${`Remove ${this.one.toLowerCase()} ${i + 1}`} @click=${event => remove(event, row)}>${icon('close')}</button>
            </div>`)}
            <datalist id=${list}>${this.known.map(each => html`<option value=${each.name}>${each.summary}</option>`)}</datalist>
            <div class="line"><button type="button" class="button small add" @click=${add}>${icon('plus')} Add ${this.one.toLowerCase()}</button></div>
            <small>${this.hint}</small>
        </div>`;
    }
}

/** Services of the daemon with name and summary, whatever the answer gives. */
export function named(list) {
    return (list || []).map(each => (typeof each === 'string' ? {name: each, summary: ''} : each));
}

/** Splits tap:TYPE:PATH that was pasted into the field of the path. */
export function spec(type, path) {
    return path.startsWith('tap:') ? path : `tap:${type}:${path}`;
}

export function attachDialog() {
    const types = named(state.daemon?.drivers);
    const nodes = new Specs('node', 'Nodes', 'Node', 'How VMs reach it: nbd, vhost-user,queues=2, xen:web1/xvdb', named(state.daemon?.nodes), ['nbd']);
    const filters = new Specs('filter', 'Filters', 'Filter', 'The first is on the disk: throttle,iops=2000', named(state.daemon?.filters), []);
    return ask({
        title: 'Attach a disk',
        submit: 'Attach',
        body: redraw => html`<div class="fields">
            <div class="type-path">
                <div class="field"><label for="attach-type">Type</label><select id="attach-type" name="type">
                    ${types.map(each => html`<option value=${each.name} title=${each.summary} ?selected=${each.name === 'qcow2'}>${each.name}</option>`)}
                </select></div>
                <div class="field"><label for="attach-path">Image</label>
                    <input id="attach-path" name="path" class="mono" required autofocus spellcheck="false" placeholder="/vm/disk.qcow2">
                </div>
            </div>
            <div class="two">
                <div class="field"><label for="attach-id">Name</label>
                    <input id="attach-id" name="id" spellcheck="false" placeholder="made from the path"></div>
                <div class="field"><span class="label">Access</span>
                    <label class="check"><input type="checkbox" name="readOnly"> Read-only</label></div>
            </div>
            ${nodes.fields(redraw)}
            ${filters.fields(redraw)}
            <details><summary>More</summary><div class="fields">
                <div class="two">
                    <div class="field"><label for="attach-enospc">Storage without space</label>
                        <select id="attach-enospc" name="on-enospc"><option value="">park (as usual)</option><option>park,auto</option><option>report</option></select></div>
                    <div class="field"><label for="attach-eio">Storage that fails</label>
                        <select id="attach-eio" name="on-eio"><option value="">report (as usual)</option><option>park</option><option>park,auto</option></select></div>
                </div>
                <div class="field"><label for="attach-options">Options</label>
                    <textarea id="attach-options" name="options" rows="3" spellcheck="false" placeholder="KEY=VALUE, one in each line"></textarea></div>
            </div></details>
        </div>`,
        act: async data => {
            const options = keysAndValues(data.get('options'));
            for (const key of ['on-enospc', 'on-eio']) {
                if (data.get(key)) {
                    options[key] = data.get(key);
                }
            }
            const request = {
                spec: spec(data.get('type'), data.get('path').trim()),
                nodes: nodes.values,
                filters: filters.values,
                readOnly: data.has('readOnly'),
                options,
            };
            if (data.get('id').trim()) {
                request.id = data.get('id').trim();
            }
            const disk = await api.attach(request);
            refresh('disks', 'stats');
            say(`${disk?.id ?? request.id ?? request.spec} is attached`);
            return disk;
        },
    });
}
