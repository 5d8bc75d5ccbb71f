// The token: kept for this tab only, and until it is closed.

const KEY = 'blktap.token';
let current = '';
try {
    current = sessionStorage.getItem(KEY) || '';
} catch {
    // storage is switched off: the token lives as long as the page
}

export function token() {
    return current;
}

/** Keeps a token; an empty one forgets it. */
export function keepToken(value) {
    current = value;
    try {
        if (value) {
            sessionStorage.setItem(KEY, value);
        } else {
            sessionStorage.removeItem(KEY);
        }
    } catch {
        // as above
    }
}
