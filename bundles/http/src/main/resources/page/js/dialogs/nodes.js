// Give a disk another node, and take one away.
import {html} from '../lib.js';
import {api} from '../api.js';
import {ask, confirm} from '../dialog.js';
import {refresh} from '../live.js';
import {say} from '../parts.js';
import {state} from '../store.js';
import {named} from './attach.js';

export function addNodeDialog(disk) {
    return ask({
        title: `Add a node to ${disk.id}`,
        submit: 'Add',
        body: () => html`<div class="field"><label for="plug-node">Node</label>
            <input id="plug-node" name="node" class="mono" required autofocus spellcheck="false" list="plug-known" placeholder="nbd">
            <datalist id="plug-known">${named(state.daemon?.nodes).map(each => html`<option value=${each.name}>${each.summary}</option>`)}</datalist>
            <small>How VMs reach it: nbd, vhost-user,queues=2, xen:web1/xvdb. The other nodes are not disturbed.</small></div>`,
        act: async data => {
            const now = await api.plug(disk.id, data.get('node').trim());
            refresh('disks');
            say(`${disk.id} is reached by ${now.nodes.at(-1)?.kind}, too`);
            return now;
        },
    });
}

export function removeNodeDialog(disk, node) {
    return confirm(
        `Remove ${node.kind} from ${disk.id}?`,
        `Its VM loses the device ${node.address}. The disk stays attached.`,
        'Remove',
        async data => {
            const now = await api.unplug(disk.id, node.address, data.has('force'));
            refresh('disks');
            say(`${node.kind} is removed from ${disk.id}`);
            return now;
        },
        () => html`<label class="check"><input type="checkbox" name="force"> Do not ask the VM</label>`,
    );
}
