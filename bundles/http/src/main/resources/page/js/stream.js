// Server-sent events over fetch, since EventSource cannot send a token.

/** Reads a body of text/event-stream; calls back with {id, event, data} of each, and with null for every sign of life. */
export async function readEvents(body, each) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    let event = {id: '', event: 'message', data: []};
    for (;;) {
        const {done, value} = await reader.read();
        if (done) {
            return;
        }
        each(null);
        const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
        rest = lines.pop();
        if (rest.length > 1 << 20) {
            throw new Error('an event that does not end');
        }
        for (const line of lines) {
            if (line === '') {
                if (event.data.length) {
                    each({id: event.id, event: event.event, data: event.data.join('\n')});
                }
                event = {id: event.id, event: 'message', data: []};
                continue;
            }
            const colon = line.indexOf(':');
            if (colon === 0) {
                continue;
            }
            const field = colon < 0 ? line : line.slice(0, colon);
            const text = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
            if (field === 'data') {
                event.data.push(text);
            } else if (field === 'id' || field === 'event') {
                event[field] = text;
            }
        }
    }
}
