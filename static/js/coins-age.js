/** How old the list of coins is: "Fresh" becomes "Stale" by age alone, also while nothing answers. */

import { serverNow } from "./time.js";

const CHECK_MS = 1000;
const state = document.querySelector("[data-coins-state]");
const word = document.querySelector("[data-coins-word]");

/** Say whether the list is stale, and from when it will be (milliseconds since 1970). */
export function tell(stale, staleAt) {
  state.dataset.coinsStaleAt = new Date(staleAt).toISOString();
  show(stale);
}

function show(stale) {
  const text = stale ? "Stale" : "Fresh";
  if (word.textContent === text) return;
  word.textContent = text;
  state.className = `state state--${stale ? "stale" : "live"}`;
}

if (state) {
  setInterval(() => {
    if (serverNow() > Date.parse(state.dataset.coinsStaleAt)) show(true);
  }, CHECK_MS);
}
