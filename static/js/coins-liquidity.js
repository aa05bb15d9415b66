/** Market capitalisation against volume, drawn from the rows of the table beside it. */

import "./coins-age.js";
import { percent, short } from "./coins-figures.js";

const WIDTH = 960;
const HEIGHT = 520;
const EDGE = { left: 72, right: 24, top: 16, bottom: 44 };
// Area follows the change: this many square units for each per cent, and never less than a point.
const AREA_PER_CENT = 40;
const LEAST_AREA = 28;
const MOST_AREA = 2400;
const LABELLED = 10;
const SVG = "http://www.w3.org/2000/svg";

const figure = document.querySelector("[data-plot]");
const tip = document.querySelector("[data-plot-tip]");
const said = document.querySelector("[data-plot-said]");

function element(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

function axis(values, from, to) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...values))), low + 1);
  const place = (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  const ticks = Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step));
  return { place, ticks };
}

function read(row) {
  const { symbol, name, market_cap: cap, volume_24h: volume, change_24h: change } = row.dataset;
  return { row, symbol, name, cap: Number(cap), volume: Number(volume), change: Number(change) };
}

/** A circle for what rose, a diamond for what fell: the shape says it without colour. */
function mark(coin, x, y, parent) {
  const area = Math.min(MOST_AREA, Math.max(LEAST_AREA, Math.abs(coin.change) * AREA_PER_CENT));
  if (coin.change >= 0) {
    return element("circle", { cx: x, cy: y, r: Math.sqrt(area / Math.PI), class: "coins-plot__mark up" }, parent);
  }
  const half = Math.sqrt(area / 2);
  const d = `M${x} ${y - half}L${x + half} ${y}L${x} ${y + half}L${x - half} ${y}Z`;
  return element("path", { d, class: "coins-plot__mark down" }, parent);
}

function sentence(coin) {
  const { market_cap: cap, volume_24h: volume, change_24h: change } = coin.row.dataset;
  return `${coin.name} (${coin.symbol}): market cap ${short(cap)}, volume ${short(volume)}, 24 h ${percent(change)}`;
}

class Plot {
  constructor(coins) {
    this.coins = coins;
    this.marks = [];
    this.current = 0;
    this.draw();
  }

  draw() {
    const label = `${this.coins.length} coins by market capitalisation and volume`;
    const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": label });
    const across = axis(this.coins.map((coin) => coin.cap), EDGE.left, WIDTH - EDGE.right);
    const up = axis(this.coins.map((coin) => coin.volume), HEIGHT - EDGE.bottom, EDGE.top);
    this.drawAxes(svg, across, up);
    // Small marks last, so that none lies hidden below a large one.
    const order = [...this.coins].sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
    const places = new Map(order.map((coin) => [coin, mark(coin, across.place(coin.cap), up.place(coin.volume), svg)]));
    this.marks = this.coins.map((coin) => places.get(coin));
    for (const coin of [...this.coins].sort((a, b) => b.cap - a.cap).slice(0, LABELLED)) {
      const at = { x: across.place(coin.cap) + 8, y: up.place(coin.volume) - 8, class: "coins-plot__label" };
      element("text", at, svg).textContent = coin.symbol;
    }
    this.wire(svg);
    document.querySelector("[data-plot-area]").replaceChildren(svg);
  }

  drawAxes(svg, across, up) {
    for (const value of across.ticks) {
      const x = across.place(value);
      element("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "coins-plot__grid" }, svg);
      const at = { x, y: HEIGHT - EDGE.bottom + 18, class: "coins-plot__tick", "text-anchor": "middle" };
      element("text", at, svg).textContent = short(String(value)).replace(".00", "");
    }
    for (const value of up.ticks) {
      const y = up.place(value);
      element("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y, y2: y, class: "coins-plot__grid" }, svg);
      const at = { x: EDGE.left - 8, y: y + 4, class: "coins-plot__tick", "text-anchor": "end" };
      element("text", at, svg).textContent = short(String(value)).replace(".00", "");
    }
    const below = { x: (EDGE.left + WIDTH) / 2, y: HEIGHT - 6, class: "coins-plot__axis", "text-anchor": "middle" };
    element("text", below, svg).textContent = "Market capitalisation, USD";
    const beside = { x: -HEIGHT / 2, y: 14, transform: "rotate(-90)", class: "coins-plot__axis", "text-anchor": "middle" };
    element("text", beside, svg).textContent = "Volume 24 h, USD";
  }

  wire(svg) {
    this.marks.forEach((shape, place) => {
      shape.setAttribute("tabindex", place === 0 ? "0" : "-1");
      shape.setAttribute("role", "img");
      shape.setAttribute("aria-label", sentence(this.coins[place]));
      shape.addEventListener("pointerenter", () => this.show(place));
      shape.addEventListener("pointerleave", () => this.hide());
      shape.addEventListener("focus", () => this.show(place));
      shape.addEventListener("blur", () => this.hide());
    });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Enter") this.coins[this.current].row.querySelector("a").click();
      if (event.key === "Escape") this.hide();
      if (!step) return;
      event.preventDefault();
      this.marks[this.current].setAttribute("tabindex", "-1");
      this.current = (this.current + step + this.marks.length) % this.marks.length;
      this.marks[this.current].setAttribute("tabindex", "0");
      this.marks[this.current].focus();
    });
  }

  show(place) {
    this.current = place;
    const text = sentence(this.coins[place]);
    tip.textContent = text;
    tip.hidden = false;
    said.textContent = text;
  }

  hide() {
    tip.hidden = true;
  }
}

if (figure) {
  const coins = [...document.querySelectorAll("[data-point]")].map(read);
  if (coins.length > 0) {
    figure.hidden = false;
    new Plot(coins);
  }
}
