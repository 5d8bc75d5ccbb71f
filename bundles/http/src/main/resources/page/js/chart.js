// <live-chart>: a figure whose lines grow while one looks, by uPlot, with its latest values as text.
import uPlot from '../vendor/uplot/dist/uPlot.esm.js';
import {time} from './format.js';
import {POINTS} from './rates.js';

const HEIGHT = 128;
const SECONDS = [5, 10, 15, 20, 30, 60];
/** Pixels of half a label, which has no room at the right edge. */
const EDGE = 30;
/** Pixels of the labels beside the vertical axis. */
const ASIDE = 72;

/** The points without a neighbour, which no line shows. */
function lonely(plot, series) {
    const values = plot.data[series];
    return values.map((value, i) => i).filter(i => values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null);
}

class LiveChart extends HTMLElement {
    #plot = null;
    #data = [[], [], []];
    #values = [];
    #hovered = null;
    #setup = null;
    #redraw = () => this.#make();
    #observer = new ResizeObserver(() => this.#resize());

    /** {title, format, lines: [label, label]}; set once. The first line is that of reads, the second that of writes. */
    set setup(value) {
        this.#setup ??= value;
    }

    /** Columns: seconds, values of the first line, of the second; null is no value. */
    set data(value) {
        this.#data = value;
        if (this.#plot) {
            this.#plot.setData(this.#window(), true);
            this.#label();
        }
    }

    connectedCallback() {
        if (!this.firstChild) {
            this.#frame();
        }
        document.addEventListener('theme', this.#redraw);
        this.#make();
        this.#observer.observe(this);
    }

    disconnectedCallback() {
        document.removeEventListener('theme', this.#redraw);
        this.#observer.disconnect();
        this.#plot?.destroy();
        this.#plot = null;
    }

    #frame() {
        const element = (name, className, text = '') => {
            const made = document.createElement(name);
            made.className = className;
            made.textContent = text;
            return made;
        };
        const head = element('div', 'chart-head');
        const legend = element('div', 'legend');
        this.#values = this.#setup.lines.map((label, i) => {
            const entry = element('span', '');
            const value = element('b', 'value', '–');
            entry.append(element('span', i === 0 ? 'key read' : 'key write'), element('span', 'soft', label), ' ', value);
            legend.append(entry);
            return value;
        });
        head.append(element('h2', '', this.#setup.title), legend);
        const plot = element('div', 'plot');
        plot.setAttribute('role', 'img');
        this.append(head, plot);
    }

    get #place() {
        return this.lastElementChild;
    }

    /** The colour that a custom property is in this theme. */
    #colour(name) {
        this.#place.style.color = `var(${name})`;
        const colour = getComputedStyle(this.#place).color;
        this.#place.style.color = '';
        return colour;
    }

    /** The data, with the beginning of the window where there is none yet. */
    #window() {
        const [at, ...lines] = this.#data;
        return at.length ? [at.slice(), ...lines.map(each => each.slice())] : [[], ...lines.map(() => [])];
    }

    #make() {
        this.#plot?.destroy();
        const soft = this.#colour('--text-soft');
        const grid = {stroke: this.#colour('--line'), width: 1};
        const font = `11px ${getComputedStyle(this).fontFamily}`;
        const line = (label, name) => ({
            label, stroke: this.#colour(name), width: 1.5, fill: this.#colour(name).replace(/^rgb\((.*)\)$/, 'rgba($1, 0.10)'), points: {show: true, size: 3, filter: lonely}, spanGaps: false,
        });
        const axis = {stroke: soft, grid, ticks: {show: false}, font};
        this.#plot = new uPlot({
            width: Math.max(120, this.clientWidth - 28),
            height: HEIGHT,
            padding: [6, 4, 0, 0],
            legend: {show: false},
            cursor: {y: false, drag: {x: false, y: false}},
            scales: {
                x: {range: (plot, low, high) => [(high ?? Date.now() / 1000) - POINTS, high ?? Date.now() / 1000]},
                y: {range: (plot, low, high) => [0, Math.max(this.#setup.least, (high || 0) * 1.15)]},
            },
            axes: [
                {...axis, size: 24, space: 80, incrs: SECONDS, values: (plot, ticks) => ticks.map(each => ((plot.scales.x.max - each) / POINTS * (plot.width - ASIDE) < EDGE ? '' : time(each * 1000)))},
                {...axis, size: ASIDE, space: 30, values: (plot, ticks) => ticks.map(each => this.#setup.format(each)), incrs: this.#setup.steps},
            ],
            series: [{}, line(this.#setup.lines[0], '--read'), line(this.#setup.lines[1], '--write')],
            hooks: {setCursor: [plot => {
                this.#hovered = plot.cursor.idx;
                this.#label();
            }]},
        }, this.#window(), this.#place);
        this.#label();
    }

    #resize() {
        const width = Math.max(120, this.clientWidth - 28);
        if (this.#plot && this.#plot.width !== width) {
            this.#plot.setSize({width, height: HEIGHT});
        }
    }

    #label() {
        const [at, ...lines] = this.#data;
        const index = Number.isInteger(this.#hovered) && this.#hovered < at.length ? this.#hovered : at.length - 1;
        const texts = lines.map(each => this.#setup.format(each[index] ?? NaN));
        texts.forEach((text, i) => {
            if (this.#values[i].textContent !== text) {
                this.#values[i].textContent = text;
            }
        });
        const latest = lines.map((each, i) => `${this.#setup.lines[i]} ${this.#setup.format(each[at.length - 1] ?? NaN)}`);
        this.#place.setAttribute('aria-label', `${this.#setup.title}: ${latest.join(', ')}`);
    }
}

customElements.define('live-chart', LiveChart);
