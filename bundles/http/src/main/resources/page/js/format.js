// Numbers and times as people read them; always the same width for the same kind.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Bytes: 0 B, 12.5 MiB. */
export function bytes(value) {
    if (!Number.isFinite(value)) {
        return '–';
    }
    let unit = 0;
    let scaled = value;
    while (scaled >= 1024 && unit < UNITS.length - 1) {
        scaled /= 1024;
        unit++;
    }
    return `${unit === 0 ? Math.round(scaled) : scaled >= 1000 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[unit]}`;
}

export function bytesPerSecond(value) {
    return Number.isFinite(value) ? `${bytes(value)}/s` : '–';
}

/** A size as an operator types it: 10G, 512M. */
export function typedSize(value) {
    for (const [letter, shift] of [['T', 40], ['G', 30], ['M', 20], ['K', 10]]) {
        if (value >= 2 ** shift && value % 2 ** shift === 0) {
            return `${value / 2 ** shift}${letter}`;
        }
    }
    return String(value);
}

/** The bytes of what an operator has typed, or NaN. */
export function parseSize(text) {
    const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*$/i.exec(text);
    if (!match) {
        return NaN;
    }
    return Math.round(Number(match[1]) * 2 ** {'': 0, K: 10, M: 20, G: 30, T: 40}[match[2].toUpperCase()]);
}

export function count(value) {
    if (!Number.isFinite(value)) {
        return '–';
    }
    if (value >= 1e6) {
        return `${(value / 1e6).toFixed(1)}M`;
    }
    return value >= 1e4 ? `${(value / 1e3).toFixed(1)}k` : Math.round(value).toLocaleString('en');
}

export function micros(value) {
    if (!Number.isFinite(value)) {
        return '–';
    }
    if (value < 1000) {
        return `${Math.round(value)} µs`;
    }
    return value < 1e6 ? `${(value / 1e3).toFixed(value < 1e4 ? 2 : 1)} ms` : `${(value / 1e6).toFixed(2)} s`;
}

export function seconds(value) {
    if (!Number.isFinite(value)) {
        return '–';
    }
    const whole = Math.max(0, Math.round(value));
    if (whole < 60) {
        return `${whole} s`;
    }
    if (whole < 3600) {
        return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    }
    return whole < 86400 ? `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min` : `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const DAY = new Intl.DateTimeFormat('sv', {dateStyle: 'short'});

/** A time of day, with the date if it is not today. */
export function time(millis) {
    const date = new Date(millis);
    return DAY.format(date) === DAY.format(new Date()) ? CLOCK.format(date) : `${DAY.format(date)} ${CLOCK.format(date)}`;
}

export function lower(value) {
    return String(value ?? '').toLowerCase();
}

/** The type of tap:TYPE:PATH. */
export function typeOf(spec) {
    return spec.split(':', 2)[1] || spec;
}

export function pathOf(spec) {
    return spec.split(':').slice(2).join(':');
}

/** The type in TYPE[,KEY=VALUE…]. */
export function typeInSpec(spec) {
    return spec.split(',', 1)[0];
}

export function plural(number, one, many = `${one}s`) {
    return `${number} ${number === 1 ? one : many}`;
}
