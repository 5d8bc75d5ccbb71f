// The images below each disk. The list of disks has only the next one; the rest is asked for once, and again when it changes.
import {api} from './api.js';

const known = new Map();

function key(disk) {
    return `${disk.spec}\n${disk.details?.['backing image'] ?? ''}`;
}

function isCurrent(disk) {
    const found = known.get(disk.id);
    return found?.key === key(disk) && !found.stale;
}

/** Returns disks with the member chain, where it is known. */
export function withChains(disks) {
    return disks.map(disk => {
        const found = known.get(disk.id);
        return found?.key === key(disk) ? {...disk, chain: found.chain} : disk;
    });
}

/** Asks for chains that are not known, one after the other; calls back when there are new ones. */
export async function askForChains(disks, signal, callBack) {
    const ids = new Set(disks.map(disk => disk.id));
    for (const id of known.keys()) {
        if (!ids.has(id)) {
            known.delete(id);
        }
    }
    let found = false;
    for (const disk of disks) {
        if (signal.aborted) {
            return;
        }
        if (disk.details?.['backing image'] && !isCurrent(disk)) {
            try {
                known.set(disk.id, {key: key(disk), chain: (await api.disk(disk.id)).chain});
                found = true;
            } catch (problem) {
                if (problem.status !== 404) {
                    throw problem;
                }
                // detached since the list was made
            }
        }
    }
    if (found) {
        callBack();
    }
}

/** Has the chain of a disk asked for again: an image below may have gone. */
export function forgetChain(id) {
    const found = known.get(id);
    if (found) {
        found.stale = true;
    }
}
