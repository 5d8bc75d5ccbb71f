// Tests of the page's modules without the page. Run in the browser as the body of an async function; returns what is wrong.
const load = name => import(new URL(`js/${name}.js`, document.baseURI));
const [format, rates, stream, filters] = await Promise.all(['format', 'rates', 'stream', 'dialogs/filters'].map(load));
const wrong = [];
const equal = (what, actual, expected) => {
    if (JSON.stringify(actual) !== JSON.stringify(expected)) {
        wrong.push(`${what}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
    }
};

for (const [value, text] of [[0, '0 B'], [1023, '1023 B'], [1024, '1.0 KiB'], [1.5 * 2 ** 30, '1.5 GiB'], [1000 * 2 ** 20, '1000 MiB'], [2 ** 63, '8.0 EiB'], [NaN, '–']]) {
    equal(`bytes ${value}`, format.bytes(value), text);
}
for (const [text, value] of [['20G', 20 * 2 ** 30], [' 1.5 g ', 1.5 * 2 ** 30], ['512MiB', 512 * 2 ** 20], ['4096', 4096], ['', null], ['-1G', null], ['1X', null], ['1e3', null]]) {
    equal(`size ${text}`, format.parseSize(text), value);
}
for (const value of [512, 2 ** 20, 10 * 2 ** 30, 10 * 2 ** 30 + 512, 2 ** 41]) {
    equal(`typed ${value}`, format.parseSize(format.typedSize(value)), value);
}
for (const [value, text] of [[7.4, '7 µs'], [1500, '1.50 ms'], [15_000, '15.0 ms'], [2.5e6, '2.50 s'], [NaN, '–']]) {
    equal(`micros ${value}`, format.micros(value), text);
}

equal('options that differ', filters.changes({iops: '1', burst: '2', same: '3'}, {iops: '4', same: '3', more: '5'}), {iops: '4', more: '5', burst: null});

const counter = (count, bytes, mean) => ({count, bytes, errors: 0, latency: {mean}});
const disk = (id, read, write) => ({id, inFlight: 1, operations: {...(read ? {read} : {}), ...(write ? {write} : {})}});
const meter = new rates.Meter();
equal('no rates at first', [...meter.measure([disk('a', counter(10, 1000, 100))], 1000)], []);
let now = meter.measure([disk('a', counter(30, 5000, 200), counter(4, 400, 50)), disk('b', counter(9, 9, 9))], 3000);
equal('only of what was there before', [...now.keys()], ['a']);
equal('bytes a second', [now.get('a').read.bytes, now.get('a').write.bytes], [2000, 200]);
// 20 reads took 30 * 200 - 10 * 100
equal('latency of the interval', [now.get('a').read.latency, now.get('a').write.latency], [250, 50]);
now = meter.measure([disk('a', counter(2, 100, 10)), disk('b', counter(9, 9, 9))], 4000);
equal('a daemon that was started again', [now.get('a').read.bytes, now.get('a').read.latency], [0, null]);
equal('all together', [meter.sum.read.bytes, meter.sum.inFlight], [0, 2]);
for (let i = 0; i < 2 * rates.POINTS; i++) {
    meter.measure([disk('b', counter(9 + i, 9, 9))], 5000 + 1000 * i);
}
equal('a bounded history', meter.history('b').at.length, rates.POINTS);
equal('what is detached is forgotten', meter.history('a'), undefined);

const text = 'id: 7\nevent: parked\ndata: {"ä":1,\ndata:  "b":2}\n\n: alive\n\nid: 8\r\ndata: x\r\n\r\ndata: y\n\ndata: not whole';
const bytes = new TextEncoder().encode(text);
for (const size of [1, 2, 3, 7, bytes.length]) {
    const body = new ReadableStream({
        start(to) {
            for (let i = 0; i < bytes.length; i += size) {
                to.enqueue(bytes.slice(i, i + size));
            }
            to.close();
        },
    });
    const events = [];
    await stream.readEvents(body, each => each && events.push(each));
    equal(`events in pieces of ${size}`, events, [
        {id: '7', event: 'parked', data: '{"ä":1,\n "b":2}'},
        {id: '8', event: 'message', data: 'x'},
        {id: '8', event: 'message', data: 'y'},
    ]);
}
return wrong;
