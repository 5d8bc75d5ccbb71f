// Dark and light: the system's, or one that is chosen here and kept for this browser.
import {html} from './lib.js';
import {change} from './store.js';
import {icon} from './icons.js';

const KEY = 'blktap.theme';
const root = document.documentElement;

export function theme() {
    return root.dataset.theme || 'system';
}

function tell() {
    document.dispatchEvent(new CustomEvent('theme'));
}

export function setTheme(name) {
    if (name === 'system') {
        delete root.dataset.theme;
    } else {
        root.dataset.theme = name;
    }
    try {
        localStorage.setItem(KEY, name);
    } catch {
        // storage is switched off: the choice lasts as long as the page
    }
    tell();
    change({});
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', tell);

const CHOICES = [['system', 'System theme', 'screen'], ['light', 'Light theme', 'sun'], ['dark', 'Dark theme', 'moon']];

export function themeSwitch() {
    return html`<fieldset class="theme">
        <legend class="hidden-text">Theme</legend>
        ${CHOICES.map(([name, label, picture]) => html`<label title=${label}>
            <input type="radio" name="theme" value=${name} .checked=${theme() === name} aria-label=${label} @change=${() => setTheme(name)}>
            ${icon(picture)}
        </label>`)}
    </fieldset>`;
}
