// Start a job on a disk; change its speed.
import {html, nothing} from '../lib.js';
import {api} from '../api.js';
import {ask} from '../dialog.js';
import {parseSize, typedSize} from '../format.js';
import {refresh} from '../live.js';
import {chainOf, say} from '../parts.js';
import {state} from '../store.js';
import {named, spec} from './attach.js';

const KINDS = {
    move: {text: 'Moves the disk to another image, while its VM uses it.', target: true},
    mirror: {text: 'Keeps a second image equal, until it is completed or cancelled.', target: true},
    backup: {text: 'Copies what the disk has now into a new image.', target: true},
    commit: {text: 'Moves the data of overlays into the image below.', chain: 'Down to', below: true},
    stream: {text: 'Copies what backing images have into the disk, until it needs none.', chain: 'Down to, without', below: false},
};

function size(text) {
    const value = parseSize(text);
    if (!Number.isFinite(value)) {
        throw Object.assign(new Error('Write a number with K, M or G, such as 50M, or leave it empty.'), {title: 'This is no speed'});
    }
    return value;
}

/** @param chosen the disk it begins with; null for the first */
export function jobDialog(chosen) {
    let id = chosen?.id ?? state.disks?.[0]?.id;
    let kind = 'move';
    const disk = () => state.disks?.find(each => each.id === id);
    return ask({
        title: chosen ? `Job on ${chosen.id}` : 'Start a job',
        submit: 'Start',
        body: redraw => {
            const about = KINDS[kind];
            const chain = disk() ? chainOf(disk()).slice(1) : [];
            return html`<div class="fields">
                <div class="two">
                    <div class="field"><label for="job-disk">Disk</label><select id="job-disk" name="disk" @change=${event => { id = event.target.value; redraw(); }}>
                        ${(state.disks || []).map(each => html`<option ?selected=${each.id === id}>${each.id}</option>`)}</select></div>
                    <div class="field"><label for="job-kind">Kind</label><select id="job-kind" name="kind" autofocus @change=${event => { kind = event.target.value; redraw(); }}>
                        ${Object.keys(KINDS).map(each => html`<option>${each}</option>`)}</select></div>
                </div>
                <p class="soft">${about.text}</p>
                ${about.target ? html`<div class="type-path">
                    <div class="field"><label for="job-type">Type</label><select id="job-type" name="type">
                        ${named(state.daemon?.drivers).map(each => html`<option ?selected=${each.name === 'qcow2'}>${each.name}</option>`)}</select></div>
                    <div class="field"><label for="job-to">New image</label><input id="job-to" name="to" class="mono" required spellcheck="false"></div>
                </div>` : nothing}
                ${about.chain ? html`<div class="field"><label for="job-base">${about.chain}</label><select id="job-base" name="base">
                    <option value="">${about.below ? 'the image directly below' : 'the end of the chain'}</option>
                    ${chain.map(each => html`<option value=${each}>${each}</option>`)}</select></div>` : nothing}
                <div class="field"><label for="job-speed">Speed limit</label>
                    <input id="job-speed" name="speed" spellcheck="false" placeholder="none">
                    <small>Bytes a second, such as 50M.</small></div>
            </div>`;
        },
        act: async data => {
            const request = {kind, attachment: id};
            if (KINDS[kind].target) {
                request.target = spec(data.get('type'), data.get('to').trim());
            }
            if (data.get('base')) {
                request.base = data.get('base');
            }
            if (data.get('speed').trim()) {
                request.speed = size(data.get('speed'));
            }
            const job = await api.startJob(request);
            refresh('jobs', 'disks');
            say(`Job ${job?.id ?? ''} (${kind}) works on ${id}`);
            return job;
        },
    });
}

export function speedDialog(job) {
    return ask({
        title: `Speed of job ${job.id}`,
        submit: 'Set',
        body: () => html`<div class="field"><label for="speed">Speed limit</label>
            <input id="speed" name="speed" autofocus spellcheck="false" placeholder="none" value=${job.speed ? typedSize(job.speed) : ''}>
            <small>Bytes a second, such as 50M. Empty is no limit.</small></div>`,
        act: async data => {
            await api.setJob(job.id, {speed: data.get('speed').trim() ? size(data.get('speed')) : 0});
            refresh('jobs');
            return true;
        },
    });
}
