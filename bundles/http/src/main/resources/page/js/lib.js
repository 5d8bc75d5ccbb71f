// The one place that names vendored files. Templates insert values as text; nothing here makes HTML of them.
export {html, svg, render, nothing} from '../vendor/lit-html/lit-html.js';
export {repeat} from '../vendor/lit-html/directives/repeat.js';
export {live} from '../vendor/lit-html/directives/live.js';
