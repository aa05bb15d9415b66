/** The admin's list of pairs, kept live by the same topic that customers' pages hear. */

import { Live } from "./live.js";

const rows = new Map();
for (const cell of document.querySelectorAll("[data-live='bid']")) {
  const row = cell.closest("tr");
  const parts = new Map();
  for (const part of row.querySelectorAll("[data-live]")) parts.set(part.dataset.live, part);
  rows.set(cell.dataset.pair, { parts, decimals: Number(cell.dataset.decimals) });
}

const line = document.querySelector("[data-line]");
const none = "–";
const formats = new Map();

function format(value, decimals, sign = "auto") {
  if (value === null || value === undefined) return none;
  const name = `${decimals}${sign}`;
  if (!formats.has(name)) {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    formats.set(name, new Intl.NumberFormat("en", { ...digits, signDisplay: sign }));
  }
  return formats.get(name).format(value);
}

function margin(offset, price, decimals) {
  if (offset === null || offset === undefined || !price) return "";
  const bps = format((offset / price) * 10_000, 1, "always");
  return `${format(offset, decimals, "always")} (${bps})`;
}

function write(part, text) {
  if (part && part.textContent !== text) part.textContent = text;
}

function show({ key, data, meta }) {
  const row = rows.get(key);
  if (!row) return;
  const { parts, decimals } = row;
  const { original, withSpread, currentSpread } = data;
  write(parts.get("bid"), format(original.sell, decimals));
  write(parts.get("ask"), format(original.buy, decimals));
  write(parts.get("sell"), format(withSpread?.sell, decimals));
  write(parts.get("buy"), format(withSpread?.buy, decimals));
  write(parts.get("margin-sell"), margin(currentSpread.sell, original.sell, decimals));
  write(parts.get("margin-buy"), margin(currentSpread.buy, original.buy, decimals));
  const state = parts.get("state");
  write(state, meta.state);
  state.dataset.state = meta.state;
  write(parts.get("reason"), (meta.reason ?? "").replaceAll("_", " "));
  parts.get("age").dataset.received = meta.received ?? "";
}

function age() {
  for (const { parts } of rows.values()) {
    const part = parts.get("age");
    const received = Number(part.dataset.received);
    const seconds = Math.max(0, Math.round((Date.now() - received) / 1000));
    write(part, received ? `${seconds} s ago` : "no price yet");
  }
}

const live = new Live("rates:live");
live.addEventListener("value", ({ detail }) => show(detail));
live.addEventListener("connection", ({ detail }) => {
  write(line, detail.live ? "Prices are live." : "Connection lost: prices stand still.");
  line.classList.toggle("desk-warning", !detail.live);
});
live.open();
age();
setInterval(age, 1000);
