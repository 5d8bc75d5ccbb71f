// What is done to one disk: snapshot, size, detach.
import {html} from '../lib.js';
import {api} from '../api.js';
import {ask, confirm} from '../dialog.js';
import {parseSize, bytes, typedSize} from '../format.js';
import {refresh} from '../live.js';
import {say} from '../parts.js';

const OVERLAYS = ['qcow2', 'qcow', 'vhd', 'vhdx', 'vmdk'];

export function snapshotDialog(disk) {
    return ask({
        title: `Snapshot of ${disk.id}`,
        submit: 'Take snapshot',
        body: () => html`<div class="fields">
            <p class="soft">The image stays as it is now and becomes the backing image of a new overlay, which the VM writes to. The VM sees a pause.</p>
            <div class="field"><label for="snapshot-name">Name</label>
                <input id="snapshot-name" name="name" class="mono" spellcheck="false" placeholder="the time" autofocus>
                <small>The overlay lies beside the image, with the name added. With a slash it is the overlay’s file.</small></div>
            <div class="field"><label for="snapshot-type">Type of the overlay</label>
                <select id="snapshot-type" name="type"><option value="">that of the image, or qcow2</option>${OVERLAYS.map(each => html`<option>${each}</option>`)}</select></div>
        </div>`,
        act: async data => {
            const request = {};
            for (const key of ['name', 'type']) {
                if (data.get(key).trim()) {
                    request[key] = data.get(key).trim();
                }
            }
            const taken = await api.snapshot(disk.id, request);
            refresh('disks');
            const pause = taken?.pausedMicros;
            say(`${disk.id}: snapshot taken${Number.isFinite(pause) ? `, paused ${Math.round(pause / 1000)} ms` : ''}`);
            return taken;
        },
    });
}

export function resizeDialog(disk) {
    return ask({
        title: `Size of ${disk.id}`,
        submit: 'Grow',
        body: () => html`<div class="fields">
            <div class="field"><label for="resize-size">New size</label>
                <input id="resize-size" name="size" required spellcheck="false" value=${typedSize(disk.sizeBytes)} autofocus>
                <small>Now ${bytes(disk.sizeBytes)}. Such as 20G or 512M. The VM sees it at once.</small></div>
        </div>`,
        act: async data => {
            const size = parseSize(data.get('size'));
            if (!Number.isFinite(size)) {
                throw Object.assign(new Error('Write a number with K, M, G or T, such as 20G.'), {title: 'This is no size'});
            }
            const now = await api.resize(disk.id, {size: String(size)});
            refresh('disks');
            say(`${disk.id} has ${bytes(now?.sizeBytes ?? size)}`);
            return now ?? true;
        },
    });
}

export function detachDialog(disk) {
    return confirm(
        `Detach ${disk.id}?`,
        'Its VM loses the device. The image stays as it is.',
        'Detach',
        async data => {
            await api.detach(disk.id, data.has('force'));
            refresh('disks', 'stats');
            say(`${disk.id} is detached`);
            return true;
        },
        () => html`<label class="check"><input type="checkbox" name="force"> Do not ask the VM, and do not wait for its requests</label>`,
    );
}
