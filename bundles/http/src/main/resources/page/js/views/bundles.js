// Bundles: deploy a jar, see what each brings, take one out.
import {html, nothing, repeat} from '../lib.js';
import {api} from '../api.js';
import {confirm} from '../dialog.js';
import {named} from '../dialogs/attach.js';
import {icon} from '../icons.js';
import {refresh} from '../live.js';
import {say, state as stateBadge} from '../parts.js';
import {change, state} from '../store.js';

/** What is being sent, or the problem with it. */
const upload = {file: '', problem: null};

async function deploy(file) {
    if (!file || upload.file) {
        return;
    }
    Object.assign(upload, {file: file.name, problem: null});
    change({});
    try {
        const bundle = await api.deploy(file.name, file);
        say(bundle.version ? `${bundle.name} ${bundle.version} is active` : `${bundle.name} is replaced; it serves this page, which comes back`);
        const [bundles, daemon] = await Promise.all([api.bundles(), api.daemon()]);
        change({bundles, daemon});
        refresh('disks', 'health');
    } catch (problem) {
        upload.problem = problem;
    }
    upload.file = '';
    change({});
}

function chosen(event) {
    const [file] = event.target.files;
    event.target.value = '';
    deploy(file);
}

function drop() {
    const over = event => {
        event.preventDefault();
        event.currentTarget.classList.add('over');
    };
    const leave = event => event.currentTarget.classList.remove('over');
    const dropped = event => {
        event.preventDefault();
        leave(event);
        deploy(event.dataTransfer.files[0]);
    };
    return html`<div class="drop" @dragover=${over} @dragleave=${leave} @drop=${dropped}>
        <label for="jar">${upload.file ? `Deploying ${upload.file}…` : 'Drop a bundle’s jar here, or choose one.'}</label>
        <input id="jar" type="file" accept=".jar,application/java-archive" ?disabled=${upload.file !== ''} @change=${chosen}>
        ${upload.file ? html`<progress aria-label=${`Deploying ${upload.file}`}></progress>` : nothing}
    </div>
    <div role="alert" class=${upload.problem ? 'alert' : ''}>${upload.problem ? html`<strong>${upload.problem.title}</strong>${upload.problem.detail ?? upload.problem.message}` : nothing}</div>`;
}

function remove(bundle) {
    return confirm(
        `Take out ${bundle.name}?`,
        'Disks that need it are parked: their VMs wait until it is back.',
        'Take out',
        async () => {
            await api.undeploy(bundle.name);
            refresh('bundles', 'daemon', 'disks', 'health');
            say(`${bundle.name} is taken out`);
            return true;
        },
    );
}

function services(title, list) {
    if (!list.length) {
        return nothing;
    }
    const body = list.some(each => each.summary)
        ? html`<dl class="facts body">${list.map(each => html`<dt><code>${each.name}</code></dt><dd>${each.summary}</dd>`)}</dl>`
        : html`<p class="chips body">${list.map(each => html`<span class="chip">${each.name}</span>`)}</p>`;
    return html`<section class="card" aria-label=${title}><header><h2>${title}</h2></header>${body}</section>`;
}

export function bundlesView() {
    const daemon = state.daemon || {};
    return html`
        <div class="head"><h1>Bundles</h1></div>
        ${drop()}
        <section class="card" aria-labelledby="bundles-title"><header><h2 id="bundles-title">Installed</h2></header>
            <div class="scroll"><table class="cards" role="table" aria-labelledby="bundles-title">
                <thead role="rowgroup"><tr role="row">${['Bundle', 'Version', 'State'].map(each => html`<th role="columnheader" scope="col">${each}</th>`)}<th role="columnheader" scope="col"><span class="hidden-text">Actions</span></th></tr></thead>
                <tbody role="rowgroup">${repeat([...(state.bundles || [])].sort((a, b) => a.name.localeCompare(b.name)), each => each.jar ?? each.name, each => html`<tr role="row" data-bundle=${each.name}>
                    <td role="cell" class="full"><span class="name">${each.name}</span><span class="two-lines mono">${each.jar}</span></td>
                    <td role="cell" data-label="Version" class="nowrap">${each.version}</td>
                    <td role="cell" data-label="State">${stateBadge(each.problem ? 'failed' : 'active')}${each.problem ? html`<span class="why">${each.problem}</span>` : nothing}</td>
                    <td role="cell" class="corner number"><button type="button" class="button small only-icon quiet" aria-label=${`Take out ${each.name}`} @click=${() => remove(each)}>${icon('trash')}</button></td>
                </tr>`)}</tbody></table></div></section>
        <div class="pair">
            <div class="column">${services('Types of disks', named(daemon.drivers))}</div>
            <div class="column">${services('Kinds of nodes', named(daemon.nodes))}${services('Filters', named(daemon.filters))}${services('Engines', named(daemon.engines))}</div>
        </div>`;
}
