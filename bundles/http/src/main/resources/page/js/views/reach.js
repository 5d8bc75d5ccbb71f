// What stands between a disk and its VMs: its nodes and its filters.
import {html, nothing, repeat} from '../lib.js';
import {addFilterDialog, removeFilterDialog, setFilterDialog} from '../dialogs/filters.js';
import {addNodeDialog, removeNodeDialog} from '../dialogs/nodes.js';
import {typeInSpec} from '../format.js';
import {icon} from '../icons.js';
import {say} from '../parts.js';
import {state} from '../store.js';

async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
        say('Copied');
    } catch {
        say('The browser does not let this page copy; select the text instead.', true);
    }
}

function small(text, picture, click) {
    return html`<button type="button" class="button small only-icon quiet" title=${text} aria-label=${text} @click=${click}>${icon(picture)}</button>`;
}

/** After what was in a list has gone with its button, the focus is on the list's own. */
async function removing(event, dialog) {
    const card = event.currentTarget.closest('section');
    if (await dialog()) {
        card.querySelector('.add').focus();
    }
}

function figures(values) {
    const all = Object.entries(values || {});
    return all.length ? html`<div class="chips">${all.map(([key, value]) => html`<span class="chip">${key} ${String(value)}</span>`)}</div>` : nothing;
}

function card(name, title, add, items, empty) {
    return html`<section class="card" aria-labelledby=${`${name}-title`}><header><h2 id=${`${name}-title`}>${title}</h2>
            <div class="actions"><button type="button" class="button small add" @click=${add.click}>${icon('plus')} ${add.text}</button></div></header>
        ${items.length ? html`<ul class="list">${repeat(items, each => each.key, each => html`<li class="column tight" data-item=${each.key}>${each.content}</li>`)}</ul>`
        : html`<p class="empty">${empty}</p>`}</section>`;
}

export function nodesCard(disk) {
    const items = (disk.nodes || []).map(node => ({key: node.address, content: html`
        <div class="row"><span class="chip type">${node.kind}</span><code class="event-text">${node.address}</code>
            <span class="row end tight">${small(`Copy the address of ${node.kind}`, 'copy', () => copy(node.address))}
            ${small(`Remove node ${node.kind}`, 'close', event => removing(event, () => removeNodeDialog(disk, node)))}</span></div>
        ${figures(node.status)}`}));
    return card('nodes', 'Nodes', {text: 'Add node', click: () => addNodeDialog(disk)}, items, 'Nobody can reach this disk.');
}

export function filtersCard(disk) {
    const reported = state.stats.get(disk.id)?.filters || [];
    const items = (disk.filters || []).map(spec => {
        const type = typeInSpec(spec);
        return {key: type, content: html`
            <div class="row"><code class="event-text">${spec}</code>
                <span class="row end tight">${small(`Options of ${type}`, 'speed', () => setFilterDialog(disk, spec))}
                ${small(`Remove filter ${type}`, 'close', event => removing(event, () => removeFilterDialog(disk, spec)))}</span></div>
            ${figures(reported.find(each => each.type === type)?.values)}`};
    });
    return card('filters', 'Filters', {text: 'Add filter', click: () => addFilterDialog(disk)}, items, 'Requests pass without a filter.');
}
