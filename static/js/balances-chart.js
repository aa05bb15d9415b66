/** A balance over time, as the steps it took. A click leads to what was held at that moment. */

import { createChart, createSeriesMarkers, LineSeries, LineType } from "../vendor/lightweight-charts/lightweight-charts.mjs";
import { inUnits, plain } from "./numbers.js";
import { serverNow } from "./time.js";

const AGAIN_MS = 800;
const PLACES = 300;
const UNSEEN = "transparent";
const axis = new Intl.NumberFormat(navigator.languages, { maximumSignificantDigits: 6, numberingSystem: "latn" });
const full = new Intl.DateTimeFormat(navigator.languages, { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" });

export class HistoryChart {
  constructor(page) {
    this.address = page.dataset.address;
    this.box = page.querySelector("[data-history-box]");
    this.note = page.querySelector("[data-history-note]");
    this.said = page.querySelector("[data-history-read]");
    this.csv = page.querySelector("[data-history-csv]");
    this.pick = page.querySelector("[data-pick-token]");
    this.steps = [];
    this.waiting = null;
  }

  start() {
    this.draw();
    this.pick.closest("[data-pick]").hidden = false;
    this.pick.addEventListener("change", () => this.load());
    document.addEventListener("themechange", () => this.paint());
    this.box.tabIndex = 0;
    this.box.addEventListener("keydown", (event) => this.press(event));
    this.load();
  }

  get token() {
    const [chain, token] = this.pick.value.split(":");
    const { decimals, symbol } = this.pick.selectedOptions[0].dataset;
    return { chain, token, decimals: Number(decimals), symbol };
  }

  draw() {
    this.chart = createChart(this.box, {
      autoSize: true,
      // The logo would bring a style element, which the page's policy forbids; the text below links.
      layout: { attributionLogo: false, fontSize: 12 },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 0 },
      rightPriceScale: { scaleMargins: { top: 0.1, bottom: 0.1 }, entireTextOnly: true },
      localization: { priceFormatter: (value) => axis.format(value) },
    });
    this.series = this.chart.addSeries(LineSeries, { lineType: LineType.WithSteps, lineWidth: 2, priceLineVisible: false });
    this.marks = createSeriesMarkers(this.series, []);
    this.chart.subscribeCrosshairMove(({ time }) => this.read(time));
    this.chart.subscribeClick(({ time }) => this.open(time));
    this.paint();
  }

  paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => this.colour(name);
    this.chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: colour("ink-3"), fontFamily: style.getPropertyValue("--font") },
      grid: { vertLines: { color: colour("line") }, horzLines: { color: colour("line") } },
      rightPriceScale: { borderColor: colour("line") },
      timeScale: { borderColor: colour("line") },
    });
    this.series.applyOptions({ color: colour("accent") });
    this.marks.setMarkers(this.marks.markers().map((mark) => ({ ...mark, color: colour("accent") })));
  }

  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  /** A cell has a new balance: if it is the one that is drawn, there is a new step. */
  changed(key) {
    if (key !== this.pick.value || this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.load();
    }, AGAIN_MS);
  }

  async load() {
    const cell = this.pick.value;
    const query = new URLSearchParams({ chain: this.token.chain, token: this.token.token, format: "csv" });
    this.csv.href = `/api/v1/balances/${this.address}/history?${query}`;
    this.box.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(`/balances/${this.address}/steps?${new URLSearchParams({ cell })}`);
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const { steps } = await response.json();
      if (cell === this.pick.value) this.show(steps);
    } catch (error) {
      this.note.textContent = `The history could not be loaded: ${error.message}. The figures above stay live.`;
    } finally {
      this.box.setAttribute("aria-busy", "false");
    }
  }

  /**
   * Steps as the server tells them: [seconds since 1970, balance, block, kind], oldest first. Without
   * a balance: nobody knows what came after that block.
   */
  show(steps) {
    const { decimals } = this.token;
    this.steps = [];
    for (const [time, value, block] of steps) {
      const last = this.steps.at(-1);
      // Blocks may share a second; the chart knows a moment once, and then the last of them.
      if (last?.time >= time && value !== null) this.steps.pop();
      // What is known of one block only is drawn as wide as a second.
      this.steps.push({ time: value === null && last?.time >= time ? last.time + 1 : time, value, block });
    }
    this.place = null;
    // Only the picture is drawn with floats; what is said of a step are the digits themselves.
    const floats = this.steps.map(({ time, value }) => ({ time, value: value === null ? null : Number(inUnits(value, decimals)) }));
    this.series.setData(evenly(floats));
    const lone = floats.filter(({ time, value }, place) => value !== null && floats[place + 1]?.value === null && floats[place + 1].time <= time + 1);
    this.marks.setMarkers(lone.map(({ time }) => ({ time, position: "inBar", shape: "circle", size: 0.5, color: this.colour("accent") })));
    this.chart.timeScale().fitContent();
    this.box.dataset.steps = this.steps.filter(({ value }) => value !== null).length;
    this.box.dataset.gaps = this.steps.filter(({ value }) => value === null).length;
    this.note.textContent = steps.length ? "" : "No step is known yet: the first change of this balance will be one.";
    this.read(undefined);
  }

  read(time) {
    const step = (time && this.at(time)) || this.steps.at(-1);
    this.said.textContent = "";
    if (!step) return;
    const { decimals, symbol } = this.token;
    const since = `${full.format(step.time * 1000)} UTC, block ${plain(String(step.block), 0)}`;
    this.said.textContent = step.value === null ? `Not known after ${since}` : `${inUnits(step.value, decimals)} ${symbol} from ${since}`;
  }

  /** By keyboard: from step to step, and into the one that is read. */
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.steps.length === 0) return;
    const last = this.steps.length - 1;
    const place = this.place ?? last;
    const places = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: last };
    if (event.key === "Enter") this.open(this.steps[place].time);
    else if (!(event.key in places)) return;
    else {
      this.place = Math.min(last, Math.max(0, places[event.key]));
      const { time } = this.steps[this.place];
      const { value } = this.steps.slice(0, this.place + 1).findLast((step) => step.value !== null);
      this.chart.setCrosshairPosition(Number(inUnits(value, this.token.decimals)), time, this.series);
      this.read(time);
    }
    event.preventDefault();
  }

  /** The step that held at `time`, or what tells that none is known. */
  at(time) {
    return this.steps.findLast((step) => step.time <= time) ?? null;
  }

  open(time) {
    const step = time && this.at(time);
    if (!step) return;
    const url = new URL(location.pathname, location.href);
    url.searchParams.set("chain", this.token.chain);
    url.searchParams.set("block", step.block);
    location.assign(url);
  }
}

/**
 * The library gives every point the same width, however long it held. Points in between, at even
 * distances up to now, make a day as wide as a day. It also joins whatever it is given: where nothing
 * is known the line goes on unseen, and rises to the next value unseen as well.
 */
function evenly(steps) {
  if (steps.length === 0) return [];
  const [first, now] = [steps[0].time, Math.floor(serverNow() / 1000)];
  const distance = Math.max(1, Math.ceil((now - first) / PLACES));
  const drawn = [];
  const put = (time, value) => {
    const last = drawn.at(-1);
    if (value === null) drawn.push({ time, value: last.value, color: UNSEEN });
    else {
      if (last?.color && last.time < time - 1) drawn.push({ time: time - 1, value, color: UNSEEN });
      drawn.push({ time, value });
    }
  };
  let next = 0;
  for (let time = first; time <= now; time += distance) {
    for (; next < steps.length && steps[next].time <= time; next += 1) put(steps[next].time, steps[next].value);
    if (drawn.at(-1).time < time) drawn.push({ ...drawn.at(-1), time });
  }
  for (const { time, value } of steps.slice(next)) put(time, value);
  return drawn;
}
