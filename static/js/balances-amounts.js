/** Amounts of coins and tokens, and addresses in short, as balances/templatetags/chains.py writes them. */

import { DASH, decimalText, writePrice } from "./numbers.js";

const PLACES = 6;

/** Base units as decimal text without zeros that say nothing: `1.5`. */
export function inUnits(value, decimals) {
  const text = decimalText(BigInt(value), decimals);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Write base units into `cell`: six places at most, cut and not rounded; the whole of it in the title. */
export function writeAmount(cell, value, decimals) {
  if (value === null || value === undefined) {
    writePrice(cell, null, 0);
    cell.removeAttribute("title");
    return;
  }
  const places = Math.min(decimals ?? 0, PLACES);
  const cut = BigInt(value) / 10n ** BigInt((decimals ?? 0) - places);
  cell.title = inUnits(value, decimals ?? 0);
  if (cut === 0n && BigInt(value) !== 0n) {
    const less = document.createElement("span");
    less.className = "thin";
    less.textContent = "<\u2009";
    cell.replaceChildren(less, decimalText(1n, places));
  } else {
    writePrice(cell, decimalText(cut, places), places);
  }
}

/** `0x5aAe…eAed`. */
export function short(text) {
  return text.length <= 14 ? text : `${text.slice(0, 6)}\u2026${text.slice(-4)}`;
}

/** A moment as messages carry it (ISO 8601, seconds or milliseconds since 1970) in milliseconds. */
export function milliseconds(moment) {
  if (typeof moment === "string") return Date.parse(moment);
  return moment > 1e11 ? moment : moment * 1000;
}

export { DASH };
