// Jobs: how far they are, and what can be done about them.
import {html, nothing, repeat} from '../lib.js';
import {api} from '../api.js';
import {jobDialog, speedDialog} from '../dialogs/job.js';
import {bytes, bytesPerSecond, lower, seconds, time} from '../format.js';
import {icon} from '../icons.js';
import {refresh} from '../live.js';
import {act, JOB_TONES, state as stateBadge} from '../parts.js';
import {state} from '../store.js';

/** By job: what was done at a time, for the speed and the time that is left. */
const before = new Map();

/** Bytes a second since a few seconds; NaN at the beginning. */
function speed(job) {
    const now = performance.now();
    const known = before.get(job.id) || {at: now, done: job.doneBytes, speed: NaN};
    if (now - known.at > 2000) {
        before.set(job.id, {at: now, done: job.doneBytes, speed: ((job.doneBytes - known.done) * 1000) / (now - known.at)});
    } else if (!before.has(job.id)) {
        before.set(job.id, known);
    }
    return (before.get(job.id) || known).speed;
}

function ended(job) {
    return ['done', 'failed'].includes(lower(job.state));
}

function actions(job) {
    const is = lower(job.state);
    const button = (action, text, picture, done) => html`<button type="button" class="button small" aria-label=${`${text} job ${job.id}`}
        @click=${event => act(event, async () => { await api.jobAction(job.id, action); refresh('jobs', 'disks'); }, done)}>${icon(picture)} ${text}</button>`;
    return html`<span class="row end">
        ${is === 'running' ? html`<button type="button" class="button small" aria-label=${`Speed of job ${job.id}`} @click=${() => speedDialog(job)}>${icon('speed')} Speed</button>${button('pause', 'Pause', 'pause')}` : nothing}
        ${is === 'paused' ? button('resume', 'Resume', 'play') : nothing}
        ${is === 'ready' ? button('complete', 'Complete', 'check') : nothing}
        ${ended(job) || is === 'completing' ? nothing : button('cancel', 'Cancel', 'close', `Job ${job.id} is cancelled`)}
    </span>`;
}

/** A job as an item of a list. */
export function jobItem(job, withDisk = true) {
    const is = lower(job.state);
    const share = is === 'done' ? 1 : job.totalBytes > 0 ? Math.min(1, job.doneBytes / job.totalBytes) : 0;
    const percent = Math.floor(share * 100);
    const now = is === 'running' ? speed(job) : NaN;
    return html`<li class="job" data-job=${job.id}>
        <div class="row"><span class="name">${job.kind}</span>
            ${withDisk ? html`<a href=${`#/disks/${encodeURIComponent(job.attachment)}`}>${job.attachment}</a>` : nothing}
            ${stateBadge(job.state, JOB_TONES)}<span class="soft">job ${job.id}</span>${actions(job)}</div>
        <progress max="100" value=${percent} aria-label=${`Progress of job ${job.id}`}>${percent} %</progress>
        <div class="figures"><span class="percent">${percent} %</span>
            ${job.totalBytes > 0 ? html`<span>${bytes(job.doneBytes)} of ${bytes(job.totalBytes)}</span>` : nothing}
            ${Number.isFinite(now) ? html`<span>${bytesPerSecond(now)}</span>${now > 0 ? html`<span>${seconds((job.totalBytes - job.doneBytes) / now)} left</span>` : nothing}` : nothing}
            ${job.speed && !ended(job) ? html`<span>at most ${bytesPerSecond(job.speed)}</span>` : nothing}
            ${job.values?.to || job.values?.target ? html`<span class="mono event-text">${job.values.to || job.values.target}</span>` : nothing}
            ${job.endedMillis ? html`<span>ended ${time(job.endedMillis)}</span>` : html`<span>since ${time(job.createdMillis)}</span>`}</div>
        ${job.message ? html`<p class=${is === 'failed' || is === 'paused' ? 'alert mild' : 'soft'}>${job.message}</p>` : nothing}
    </li>`;
}

function section(title, jobs) {
    return jobs.length ? html`<section class="card" aria-label=${title}><header><h2>${title}</h2></header>
        <ul class="list">${repeat(jobs, each => each.id, each => jobItem(each))}</ul></section>` : nothing;
}

export function jobsView() {
    const newest = [...state.jobs].sort((a, b) => b.createdMillis - a.createdMillis);
    return html`
        <div class="head"><h1>Jobs</h1><div class="actions">
            <button type="button" class="button main" ?disabled=${!state.disks?.length} @click=${() => jobDialog(null)}>${icon('plus')} Start job</button></div></div>
        ${section('At work', newest.filter(each => !ended(each)))}
        ${section('Ended', newest.filter(ended))}
        ${newest.length ? nothing : html`<div class="card empty"><p>No job has worked in the last day.</p></div>`}`;
}
