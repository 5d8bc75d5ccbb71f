// Draws the page: which view, and the bar above it.
import {html, nothing, render} from './lib.js';
import {resumeSession, signOut} from './live.js';
import {change, drawWith, state} from './store.js';
import {themeSwitch} from './theme.js';
import {icon} from './icons.js';
import {lower} from './format.js';
import {bundlesView} from './views/bundles.js';
import {disksView} from './views/disks.js';
import {diskView} from './views/disk.js';
import {eventsView} from './views/events.js';
import {healthView} from './views/health.js';
import {jobsView} from './views/jobs.js';
import {signInView} from './views/signin.js';

const VIEWS = {
    disks: ['Disks', ({id}) => (id === null ? disksView() : diskView(id))],
    jobs: ['Jobs', jobsView],
    bundles: ['Bundles', bundlesView],
    events: ['Events', eventsView],
    health: ['Health', healthView],
};
const HEALTH = {ok: ['runs', 'healthy'], warn: ['waits', 'look at it'], critical: ['fails', 'critical']};

function route() {
    const [view, id = null] = location.hash.replace(/^#\/?/, '').split('/');
    let name = null;
    try {
        name = id === null ? null : decodeURIComponent(id);
    } catch {
        // no name that the page has made
    }
    return {view: Object.hasOwn(VIEWS, view) ? view : 'disks', id: view === 'disks' ? name : null};
}

function counts(view) {
    if (view === 'disks') {
        return state.disks?.length ?? 0;
    }
    return view === 'jobs' ? state.jobs.filter(each => !['done', 'failed'].includes(lower(each.state))).length : 0;
}

function health() {
    const status = HEALTH[lower(state.health?.status)];
    return status ? html`<a class="state pill ${status[0]}" id="health" href="#/health"><span class="dot" aria-hidden="true"></span>${status[1]}</a>` : nothing;
}

function frame() {
    return html`
        <a class="skip" href="#content" @click=${skip}>Skip to the content</a>
        <header class="bar">
            <a class="brand" href="#/disks"><img src="icon.svg" alt=""> blktap</a>
            <nav class="tabs" aria-label="Views">${Object.entries(VIEWS).map(([view, [title]]) => html`<a href=${`#/${view}`} aria-current=${state.route.view === view ? 'page' : nothing}>${title}${
                counts(view) ? html` <span class="count">${counts(view)}</span>` : nothing}</a>`)}</nav>
            <span class="spring"></span>
            <div class="bar-end">${health()}${themeSwitch()}
                <button type="button" class="button quiet only-icon" aria-label="Sign out" title="Sign out" @click=${() => signOut()}>${icon('leave')}</button></div>
        </header>
        <div role="status" id="connection">${state.online ? nothing : html`<div class="offline">The daemon does not answer. The page tries again by itself; VMs wait meanwhile.</div>`}</div>
        <main id="content" tabindex="-1">${VIEWS[state.route.view][1](state.route)}</main>`;
}

function skip(event) {
    event.preventDefault();
    document.getElementById('content').focus();
}

function title() {
    const [name] = VIEWS[state.route.view];
    return `${state.session === 'in' ? state.route.id ?? name : 'Sign in'} – blktap`;
}

let shown = '';

function draw() {
    const app = document.getElementById('app');
    if (document.title !== title()) {
        document.title = title();
    }
    if (state.session !== shown) {
        shown = state.session;
        render(nothing, app);
    }
    if (state.session === 'checking') {
        render(state.online ? nothing : html`<main class="sign-in"><p class="soft" role="status">The daemon does not answer. The page tries again by itself.</p></main>`, app);
    } else if (state.session === 'out') {
        const begins = !document.getElementById('token');
        render(signInView(), app);
        if (begins) {
            document.getElementById('token').focus();
        }
    } else {
        render(frame(), app);
    }
}

addEventListener('hashchange', () => {
    const before = state.route;
    change({route: route()});
    if (before.view !== state.route.view || before.id !== state.route.id) {
        scrollTo(0, 0);
    }
});

drawWith(draw);
change({route: route()});
resumeSession();
