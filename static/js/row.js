/** The live figures of one pair, wherever they stand: a row of the board, or the pair's own page. */

import { exact, plain, subtract, writePrice } from "./numbers.js";
import { setMoment } from "./time.js";

const FLASHES_PER_SECOND = 10;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const flashTimes = [];
const SHAPES = { live: "live", suspect: "suspect", halted: "halted", unsupported: "unsupported" };
const SLOTS = 48;
const SLOT_MS = 1_800_000;
const REDRAW_MS = 5000;
const [WIDTH, HEIGHT, INSET] = [96, 28, 2];

export class Row {
  constructor(element) {
    this.element = element;
    this.name = element.dataset.pair.replace("_", "/");
    this.decimals = Number(element.dataset.decimals);
    this.cells = {};
    for (const cell of element.querySelectorAll("[data-cell]")) this.cells[cell.dataset.cell] = cell;
    this.mark = element.querySelector("[data-state-mark]");
    this.age = element.querySelector("[data-age]");
    this.values = {};
    const svg = element.querySelector("[data-series]");
    this.spark = svg && new Spark(svg);
  }

  /** Draw what came: the pair's `data` and `meta` of the topic's message. */
  show({ data, meta }) {
    this.decimals = meta.decimals ?? this.decimals;
    const quoted = data.withSpread;
    this.price("buy", quoted?.buy);
    this.price("sell", quoted?.sell);
    this.price("ask", data.original?.buy);
    this.price("bid", data.original?.sell);
    this.price("high", meta.high);
    this.price("low", meta.low);
    this.price("last", meta.last);
    this.spread(quoted);
    this.change(meta.change_pct);
    this.state(meta);
    if (data.original?.buy && data.original.sell) this.spark?.add((data.original.buy + data.original.sell) / 2);
  }

  price(name, value) {
    const cell = this.cells[name];
    const text = value === null || value === undefined ? null : exact(value, this.decimals);
    const before = this.values[name];
    if (text === before && before !== undefined) return;
    this.values[name] = text;
    if (!cell) return;
    writePrice(cell, text, this.decimals);
    if (before && text && (name === "buy" || name === "sell")) flash(cell, Number(text) > Number(before));
  }

  spread(quoted) {
    const width = quoted ? subtract(this.values.buy, this.values.sell) : null;
    this.values.spread = quoted ? (2e4 * (quoted.buy - quoted.sell)) / (quoted.buy + quoted.sell) : null;
    if (this.cells.spread) writePrice(this.cells.spread, width, this.decimals);
    if (this.cells.bps) writePrice(this.cells.bps, quoted ? this.values.spread.toFixed(1) : null, 1);
  }

  change(percent) {
    const cell = this.cells.change;
    this.values.change = percent === null || percent === undefined ? null : Number(percent);
    if (!cell) return;
    cell.textContent = percent == null ? plain(null) : `${plain(percent, 2, "exceptZero")}%`;
    const direction = this.values.change > 0 ? "up" : this.values.change < 0 ? "down" : "none";
    for (const name of ["up", "down", "none"]) {
      cell.classList.toggle(name, name === direction);
      this.spark?.svg.classList.toggle(name, name === direction);
    }
  }

  state({ state, reason, received }) {
    if (received) setMoment(this.age, received);
    if (this.element.dataset.state === state && this.mark.title === words(reason)) return;
    this.element.dataset.state = state;
    this.mark.className = `state state--${state}`;
    this.mark.title = words(reason);
    this.mark.querySelector("[data-state-word]").textContent = state[0].toUpperCase() + state.slice(1);
    const shape = document.querySelector(`template[data-shapes]`).content.querySelector(`[data-icon="${SHAPES[state] ?? "stale"}"]`);
    this.mark.querySelector("svg").replaceWith(shape.cloneNode(true));
  }

  /** Order against another row by `column`; rows without a value come last either way. */
  compare(other, column, sign) {
    if (column === "pair") return sign * this.name.localeCompare(other.name);
    const [mine, theirs] = [this.number(column), other.number(column)];
    if (mine === null || theirs === null) return (mine === null) - (theirs === null);
    return sign * (mine - theirs);
  }

  number(column) {
    const value = this.values[column];
    return value === null || value === undefined ? null : Number(value);
  }

  sentence() {
    const { buy, sell } = this.values;
    if (!buy) return `${this.name}: no price now.`;
    return `${this.name}: you buy at ${plain(buy, this.decimals)}, you sell at ${plain(sell, this.decimals)}.`;
  }
}

function words(reason) {
  return (reason ?? "").replaceAll("_", " ");
}

function flash(cell, rose) {
  const now = performance.now();
  while (flashTimes.length && now - flashTimes[0] > 1000) flashTimes.shift();
  if (still.matches || document.hidden || flashTimes.length >= FLASHES_PER_SECOND) return;
  flashTimes.push(now);
  cell.classList.remove("flash-up", "flash-down");
  // Reading a measure makes the browser see the class go, so that the animation starts anew.
  void cell.offsetWidth;
  cell.classList.add(rose ? "flash-up" : "flash-down");
}

/** The small line of the last day: the server's half-hour points, and the newest mid at the end. */
class Spark {
  constructor(svg) {
    this.svg = svg;
    this.line = svg.querySelector("polyline");
    const newest = Math.floor(Date.now() / SLOT_MS);
    // Slots count half hours since 1970 here, so that a page left open for hours moves on.
    this.points = new Map();
    for (const item of svg.dataset.series.split(" ").filter(Boolean)) {
      const [slot, value] = item.split(":").map(Number);
      this.points.set(newest - (SLOTS - 1) + slot, value);
    }
    this.drawn = -Infinity;
  }

  add(mid) {
    const newest = Math.floor(Date.now() / SLOT_MS);
    this.points.set(newest, mid);
    for (const slot of this.points.keys()) if (slot <= newest - SLOTS) this.points.delete(slot);
    if (performance.now() - this.drawn > REDRAW_MS) this.draw(newest);
  }

  draw(newest) {
    this.drawn = performance.now();
    if (this.points.size < 2) return;
    const values = [...this.points.values()];
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    const place = ([slot, value]) => {
      const x = ((slot - newest + SLOTS - 1) * WIDTH) / (SLOTS - 1);
      const y = HEIGHT - INSET - ((value - low) / span) * (HEIGHT - 2 * INSET);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    };
    const ordered = [...this.points].sort(([a], [b]) => a - b);
    this.line.setAttribute("points", ordered.map(place).join(" "));
  }
}
