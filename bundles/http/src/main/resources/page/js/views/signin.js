// The way in.
import {html, nothing} from '../lib.js';
import {signIn} from '../live.js';
import {state} from '../store.js';
import {themeSwitch} from '../theme.js';

async function submit(event) {
    event.preventDefault();
    const field = event.currentTarget.elements.token;
    const button = event.currentTarget.querySelector('[type=submit]');
    button.disabled = true;
    const done = await signIn(field.value.trim());
    button.disabled = false;
    if (!done) {
        field.select();
    }
}

export function signInView() {
    return html`<main class="sign-in">
        <form class="card" @submit=${submit} autocomplete="off">
            <div class="row"><span class="brand"><img src="icon.svg" alt=""> blktap</span><span class="end">${themeSwitch()}</span></div>
            <div class="field">
                <label for="token">Token</label>
                <input id="token" name="token" type="password" class="mono" required autocomplete="off" spellcheck="false"
                    aria-describedby="token-hint" aria-invalid=${state.refused ? 'true' : 'false'}>
                <small id="token-hint">From the file on the daemon’s host. It stays in this tab until you sign out or close it.</small>
            </div>
            <div role="alert" class=${state.refused ? 'alert' : ''}>${state.refused || nothing}</div>
            <button type="submit" class="button main">Sign in</button>
        </form>
    </main>`;
}
