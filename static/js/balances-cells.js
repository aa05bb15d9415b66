/** Balances on a page as they come: the figure at once, its worth and the sums when the page was read anew. */

import { refreshParts } from "./balances-parts.js";
import { Live } from "./live.js";
import { writeAmount } from "./numbers.js";
import { refreshAges } from "./time.js";

const READ_MS = 400;
const FLASHES_PER_SECOND = 10;
let reading = null;
let flashes = [];

/** Follow an address; `within` holds its cells. Returns the topic, not opened yet. */
export function followAddress(address, within, changed = () => {}) {
  const live = new Live(`balances:${address.toLowerCase()}`, [], { personal: true });
  live.addEventListener("value", ({ detail }) => {
    if (apply(detail, within())) {
      readSoon();
      changed(detail);
    }
  });
  return live;
}

/** Draw a cell's message; whether it said anything new. */
function apply({ key, data }, root) {
  const row = root.querySelector(`[data-cell="${CSS.escape(key)}"]`);
  const value = data.value ?? "";
  if (!row) return isNew(root, key, value);
  if (row.dataset.value === value) return false;
  const before = row.dataset.value;
  row.dataset.value = value;
  const cell = row.querySelector('[data-f="amount"]');
  writeAmount(cell, data.value, data.decimals);
  if (value !== "") flash(cell, before === "" || BigInt(value) > BigInt(before));
  return true;
}

/** Whether a cell that is not drawn says something that the server did not know when it drew the page. */
function isNew(root, key, value) {
  const keeper = root.matches("[data-known]") ? root : root.querySelector("[data-known]");
  const known = keeper?.dataset.known.split(" ") ?? [];
  return value !== "" && !known.includes(`${key}=${value}`);
}

function flash(cell, rose) {
  const now = performance.now();
  flashes = flashes.filter((moment) => now - moment < 1000);
  if (document.hidden || flashes.length >= FLASHES_PER_SECOND) return;
  flashes.push(now);
  cell.classList.remove("flash-up", "flash-down");
  // Reading a measure makes the browser see the class go, so that the animation starts anew.
  void cell.offsetWidth;
  cell.classList.add(rose ? "flash-up" : "flash-down");
}

/** Several cells change in one block; the page is read once for all of them. */
export function readSoon() {
  if (reading) return;
  reading = setTimeout(async () => {
    reading = null;
    await refreshParts();
    refreshAges();
  }, READ_MS);
}
