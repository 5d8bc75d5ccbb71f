// What the page knows of the daemon, and who draws it.

export const state = {
    /** 'checking', 'out' or 'in'. */
    session: 'checking',
    /** Why the last token was refused. */
    refused: '',
    /** False while the daemon does not answer. */
    online: true,
    daemon: null,
    disks: null,
    /** By id: what GET /stats has, and the rates made of it. */
    stats: new Map(),
    rates: new Map(),
    jobs: [],
    bundles: null,
    health: null,
    diag: null,
    /** The newest first. */
    events: [],
    route: {view: 'disks', id: null},
    /** What views keep while they are not shown: the text of a filter, a field that was opened. */
    ui: {diskFilter: '', eventFilter: '', eventKind: ''},
};

let draw = () => {};
let asked = false;

/** Sets the function that draws everything. */
export function drawWith(function_) {
    draw = function_;
}

/** Changes what is known, and has it drawn with the next frame. */
export function change(patch) {
    Object.assign(state, patch);
    if (!asked) {
        asked = true;
        // a page that is hidden has no frames; it is drawn when it is seen again
        requestAnimationFrame(() => {
            asked = false;
            draw();
        });
    }
}

/** Changes what the views keep. */
export function changeUi(patch) {
    change({ui: {...state.ui, ...patch}});
}
