// Small pictures, drawn with lines in the colour of the text beside them.
import {html, svg} from './lib.js';

const PATHS = {
    plus: svg`<path d="M12 5v14M5 12h14"/>`,
    pause: svg`<path d="M8 5v14M16 5v14"/>`,
    play: svg`<path d="M7 4.5 19 12 7 19.5z"/>`,
    layers: svg`<path d="m12 4 9 5-9 5-9-5zM3 14l9 5 9-5"/>`,
    grow: svg`<path d="M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7"/>`,
    job: svg`<path d="M4 7h13l-3-3M20 17H7l3 3"/>`,
    eject: svg`<path d="m5 14 7-8 7 8zM5 18.5h14"/>`,
    close: svg`<path d="M6 6l12 12M18 6 6 18"/>`,
    check: svg`<path d="m5 12.5 4.5 4.5L19 7"/>`,
    upload: svg`<path d="M12 16V4M7 9l5-5 5 5M4 20h16"/>`,
    trash: svg`<path d="M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5"/>`,
    copy: svg`<path d="M9 9h11v11H9zM15 9V4H4v11h5"/>`,
    back: svg`<path d="m14 5-7 7 7 7"/>`,
    speed: svg`<path d="M4 18a9 9 0 1 1 16 0M12 14l4-5"/>`,
    sun: svg`<circle cx="12" cy="12" r="4"/><path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4"/>`,
    moon: svg`<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"/>`,
    screen: svg`<path d="M3 5h18v11H3zM9 20h6M12 16v4"/>`,
    leave: svg`<path d="M10 4H5v16h5M15 8l4 4-4 4M19 12H9"/>`,
};

export function icon(name) {
    return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${PATHS[name]}</svg>`;
}
