// Dialogs: a form in a <dialog>, whose problem is shown inside it. Escape and Cancel close it; the focus returns.
import {html, nothing, render} from './lib.js';
import {icon} from './icons.js';

let made = 0;

/**
 * Shows a dialog until it is submitted or cancelled.
 * @param options title; submit: the button's text; danger; body(redraw): its fields;
 *     act(data, form): does it, may throw a Problem; what it returns is the result
 * @returns what act returned, or undefined if it was cancelled
 */
export function ask(options) {
    const opener = document.activeElement;
    const dialog = document.createElement('dialog');
    const title = `dialog-${++made}`;
    dialog.setAttribute('aria-labelledby', title);
    document.body.append(dialog);
    let problem = null;
    let busy = false;
    return new Promise(resolve => {
        let result;
        const submit = async event => {
            event.preventDefault();
            if (busy) {
                return;
            }
            const form = event.currentTarget;
            busy = true;
            problem = null;
            draw();
            try {
                result = await options.act(new FormData(form), form);
                busy = false;
                dialog.close();
            } catch (refused) {
                problem = refused;
                busy = false;
                draw();
                dialog.querySelector('[role=alert]')?.scrollIntoView({block: 'nearest'});
                dialog.querySelector('footer [type=submit]').focus();
            }
        };
        const draw = () => render(html`<form @submit=${submit} autocomplete="off">
            <header>
                <h2 id=${title}>${options.title}</h2>
                <button type="button" class="button quiet only-icon" aria-label="Close" @click=${() => dialog.close()}>${icon('close')}</button>
            </header>
            <div class="body">
                ${options.body(draw)}
                <div role="alert" class=${problem ? 'alert' : ''}>${problem ? html`<strong>${problem.title || 'Not done'}</strong>${problem.detail ?? problem.message}` : nothing}</div>
            </div>
            <footer>
                <button type="button" class="button" @click=${() => dialog.close()}>Cancel</button>
                <button type="submit" class="button main ${options.danger ? 'danger' : ''}" ?disabled=${busy}>${busy ? 'Working…' : options.submit}</button>
            </footer>
        </form>`, dialog);
        dialog.addEventListener('close', () => {
            dialog.remove();
            if (opener?.isConnected) {
                opener.focus();
            } else {
                document.querySelector('main')?.focus();
            }
            resolve(result);
        });
        draw();
        dialog.showModal();
        (dialog.querySelector('[autofocus]') || dialog.querySelector('.body input, .body select, .body textarea') || dialog.querySelector('[type=submit]')).focus();
    });
}

/** A question that is answered by one button. */
export function confirm(title, text, submit, act, more = () => nothing) {
    return ask({title, submit, danger: true, act, body: redraw => html`<p>${text}</p>${more(redraw)}`});
}

/** Lines of KEY=VALUE as an object; throws what the dialog shows if one has no '='. */
export function keysAndValues(text) {
    const all = {};
    for (const line of text.split('\n').map(each => each.trim()).filter(Boolean)) {
        const at = line.indexOf('=');
        if (at < 1) {
            throw Object.assign(new Error(`“${line}” is no KEY=VALUE.`), {title: 'An option is wrong'});
        }
        all[line.slice(0, at)] = line.slice(at + 1);
    }
    return all;
}
