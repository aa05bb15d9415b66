/** Candles of the market's mid price, with the customer's two prices as a shaded band. */

import { CandlestickSeries, LineStyle, createChart } from "../vendor/lightweight-charts/lightweight-charts.mjs";
import { plain } from "./numbers.js";

const MINUTE = 60;
// Seconds of one candle, and how many of them are asked for.
const INTERVALS = {
  "1m": { length: MINUTE, count: 240 },
  "5m": { length: 5 * MINUTE, count: 288 },
  "1h": { length: 60 * MINUTE, count: 336 },
  "1d": { length: 1440 * MINUTE, count: 365 },
};
// A band much taller than the candles would flatten them; then it may stand outside the picture.
const TALLEST_BAND = 3;

export class PairChart {
  constructor(page) {
    this.page = page;
    this.code = page.dataset.pair;
    this.decimals = Number(page.dataset.decimals);
    this.box = page.querySelector("[data-chart]");
    this.note = page.querySelector("[data-chart-note]");
    this.retry = page.querySelector("[data-chart-retry]");
    this.intervals = page.querySelector("[data-intervals]");
    this.interval = "5m";
    this.band = null;
    this.last = null;
  }

  start() {
    this.draw();
    this.intervals.hidden = false;
    this.intervals.addEventListener("click", ({ target }) => target.value && this.choose(target.value));
    this.retry.addEventListener("click", () => this.load());
    this.page.addEventListener("price", ({ detail }) => this.follow(detail));
    document.addEventListener("themechange", () => this.paint());
    this.load();
  }

  draw() {
    this.chart = createChart(this.box, {
      autoSize: true,
      // The logo would bring a style element, which the page's policy forbids; the text below links.
      layout: { attributionLogo: false, fontSize: 12 },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 3 },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.08 }, entireTextOnly: true },
      localization: { priceFormatter: (price) => plain(price.toFixed(this.decimals), this.decimals) },
    });
    const minMove = 10 ** -this.decimals;
    this.series = this.chart.addSeries(CandlestickSeries, {
      priceFormat: { type: "price", precision: this.decimals, minMove },
      // Its colour would be that of a hollow candle: none. A line of our own stands for it.
      lastValueVisible: false,
      priceLineVisible: false,
      autoscaleInfoProvider: (original) => this.autoscale(original()),
    });
    this.line = this.series.createPriceLine({ price: 0, lineVisible: false, axisLabelVisible: false, lineStyle: LineStyle.Dotted });
    this.series.attachPrimitive(new Band(this));
    this.paint();
  }

  paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const [up, down, line] = [colour("up"), colour("down"), colour("line")];
    this.bandColour = colour("accent");
    this.chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: colour("ink-3"), fontFamily: style.getPropertyValue("--font") },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    this.series.applyOptions({
      // Rising candles are hollow, falling ones filled: not colour alone.
      upColor: "transparent", borderUpColor: up, wickUpColor: up,
      downColor: down, borderDownColor: down, wickDownColor: down,
    });
    this.line.applyOptions({ color: colour("ink-3"), axisLabelColor: colour("accent"), axisLabelTextColor: colour("accent-ink") });
  }

  choose(interval) {
    this.interval = interval;
    for (const button of this.intervals.children) button.setAttribute("aria-pressed", button.value === interval);
    this.load();
  }

  async load() {
    const asked = this.interval;
    const query = new URLSearchParams({ interval: asked, limit: INTERVALS[asked].count });
    this.box.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(`/api/v1/rates/${this.code}/candles?${query}`);
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const body = await response.json();
      if (asked === this.interval) this.show(body.candles.map(toBar));
    } catch (error) {
      this.say(`The candles could not be loaded: ${error.message}. Prices above stay live.`, true);
    } finally {
      this.box.setAttribute("aria-busy", "false");
    }
  }

  show(bars) {
    this.last = bars.at(-1) ?? null;
    this.series.setData(bars);
    if (this.last) this.mark(this.last.close);
    this.chart.timeScale().fitContent();
    this.say(bars.length ? "" : "No candles yet: the first is stored a minute after the first price.", false);
  }

  say(text, failed) {
    this.note.textContent = text;
    this.retry.hidden = !failed;
  }

  /** Let a live price move the last candle, or begin the next one. */
  follow({ data, meta }) {
    this.band = data.withSpread && { low: data.withSpread.sell, high: data.withSpread.buy };
    if (!data.original?.buy || !this.last || meta.state !== "live") return;
    const mid = (data.original.buy + data.original.sell) / 2;
    const { length } = INTERVALS[this.interval];
    const time = Math.floor(meta.received / 1000 / length) * length;
    if (time < this.last.time) return;
    if (time > this.last.time) this.last = { time, open: mid, high: mid, low: mid, close: mid };
    this.last.high = Math.max(this.last.high, mid);
    this.last.low = Math.min(this.last.low, mid);
    this.last.close = mid;
    this.series.update({ ...this.last });
    this.mark(mid);
  }

  /** Show `price` on the scale. */
  mark(price) {
    this.line.applyOptions({ price, lineVisible: true, axisLabelVisible: true });
  }

  autoscale(info) {
    if (!info?.priceRange || !this.band) return info;
    const { minValue, maxValue } = info.priceRange;
    const low = Math.min(minValue, this.band.low);
    const high = Math.max(maxValue, this.band.high);
    if (high - low > TALLEST_BAND * (maxValue - minValue)) return info;
    return { ...info, priceRange: { minValue: low, maxValue: high } };
  }
}

/** The API's candle as the library wants it: the mid of bid and ask. */
function toBar(candle) {
  const mid = (name) => (Number(candle.bid[name]) + Number(candle.ask[name])) / 2;
  const time = Date.parse(candle.start) / 1000;
  return { time, open: mid("open"), high: mid("high"), low: mid("low"), close: mid("close") };
}

/** Shades what lies between the customer's two prices, across the whole picture. */
class Band {
  constructor(owner) {
    this.owner = owner;
    const draw = (target) => target.useBitmapCoordinateSpace((scope) => this.draw(scope));
    this.view = { zOrder: () => "bottom", renderer: () => ({ draw }) };
  }

  paneViews() {
    return [this.view];
  }

  draw({ context, bitmapSize, verticalPixelRatio }) {
    const { band, bandColour, series } = this.owner;
    if (!band) return;
    const [top, bottom] = [series.priceToCoordinate(band.high), series.priceToCoordinate(band.low)];
    if (top === null || bottom === null) return;
    context.fillStyle = bandColour;
    context.globalAlpha = 0.1;
    context.fillRect(0, top * verticalPixelRatio, bitmapSize.width, (bottom - top) * verticalPixelRatio);
    context.globalAlpha = 0.7;
    for (const edge of [top, bottom]) {
      context.fillRect(0, Math.round(edge * verticalPixelRatio), bitmapSize.width, verticalPixelRatio);
    }
    context.globalAlpha = 1;
  }
}
