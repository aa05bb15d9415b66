/**
 * Figures in the visitor's locale, digit for digit.
 *
 * A price arrives as a double that was written from a decimal with a known number of places, so
 * `toFixed` gives back exactly what was sent (up to 15 digits). From there on it is text: no
 * arithmetic on floats is ever shown. Shapes follow foundation/templatetags/ui.py.
 */

export const DASH = "\u2013";
const MINUS = "\u2212";
const SIGNIFICANT = 5;
const formatters = new Map();

function formatter(decimals, signDisplay) {
  const key = `${decimals}${signDisplay}`;
  let found = formatters.get(key);
  if (!found) {
    found = new Intl.NumberFormat(navigator.languages, {
      numberingSystem: "latn",
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      signDisplay,
    });
    formatters.set(key, found);
  }
  return found;
}

/** `84781.7` as the decimal text of `decimals` places; text passes through. */
export function exact(value, decimals) {
  return typeof value === "string" ? value : value.toFixed(decimals);
}

/** A decimal text in the visitor's locale: `84,781.70`. */
export function plain(text, decimals, signDisplay = "auto") {
  if (text === null || text === undefined) return DASH;
  const parts = formatter(decimals, signDisplay).formatToParts(text);
  return parts.map((part) => (part.type === "minusSign" ? MINUS : part.value)).join("");
}

/** Where the telling digits of a formatted number begin and end. */
function telling(text, point) {
  const start = Math.max(text.search(/[1-9]/), 0);
  let seen = 0;
  for (let i = start; i < text.length; i += 1) {
    if (text[i] >= "0" && text[i] <= "9") seen += 1;
    if (seen === SIGNIFICANT) return [start, Math.max(i + 1, point)];
  }
  return [start, text.length];
}

function thin(text) {
  const span = document.createElement("span");
  span.className = "thin";
  span.textContent = text;
  return span;
}

/** Write a price into `cell`, its less telling digits thin; a dash for `null`. */
export function writePrice(cell, text, decimals) {
  if (text === null || text === undefined) {
    const dash = document.createElement("span");
    dash.className = "none";
    dash.textContent = DASH;
    cell.replaceChildren(dash);
    return;
  }
  const shown = plain(text, decimals);
  const point = decimals > 0 ? shown.length - decimals - 1 : shown.length;
  const [start, end] = telling(shown, point);
  const nodes = [shown.slice(start, end)];
  if (start > 0) nodes.unshift(thin(shown.slice(0, start)));
  if (end < shown.length) nodes.push(thin(shown.slice(end)));
  cell.replaceChildren(...nodes);
}

// --- Decimal arithmetic on scaled integers -----------------------------------------------

/** A decimal text as `{units, scale}`: its value is `units / 10 ** scale`. `null` if it is not one. */
export function parseDecimal(text) {
  const match = /^(-?)(\d*)\.?(\d*)$/.exec(text);
  if (!match || (match[2] === "" && match[3] === "")) return null;
  const units = BigInt(match[2] + match[3]);
  return { units: match[1] ? -units : units, scale: match[3].length };
}

/** The text of `units / 10 ** scale`, with exactly `scale` places. */
export function decimalText(units, scale) {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function divide(numerator, denominator, up) {
  const quotient = numerator / denominator;
  return up && numerator % denominator !== 0n ? quotient + 1n : quotient;
}

/** `a * b` for positive decimals, rounded up or down to `scale` places. */
export function multiply(a, b, scale, up) {
  const product = a.units * b.units;
  const shift = a.scale + b.scale - scale;
  const units = shift > 0 ? divide(product, 10n ** BigInt(shift), up) : product * 10n ** BigInt(-shift);
  return decimalText(units, scale);
}

/** `a / b` for positive decimals, rounded up or down to `scale` places. */
export function quotient(a, b, scale, up) {
  const numerator = a.units * 10n ** BigInt(scale + b.scale);
  return decimalText(divide(numerator, b.units * 10n ** BigInt(a.scale), up), scale);
}

/** `a - b` of two decimal texts, exactly. */
export function subtract(a, b) {
  const [left, right] = [parseDecimal(a), parseDecimal(b)];
  const scale = Math.max(left.scale, right.scale);
  const lift = (value) => value.units * 10n ** BigInt(scale - value.scale);
  return decimalText(lift(left) - lift(right), scale);
}

/** What a visitor typed, in whatever way their locale writes it, as decimal text; `null` if unclear. */
export function readAmount(typed) {
  const decimal = formatter(1, "auto").formatToParts(0.5).find((part) => part.type === "decimal").value;
  let text = typed.trim().replace(/[\s\u00a0\u202f'\u2019]/g, "");
  if (decimal === ",") text = text.includes(",") ? text.replaceAll(".", "").replace(",", ".") : text;
  else text = text.replace(/,(?=\d{3}(\D|$))/g, "").replace(",", ".");
  return /^\d{1,15}(\.\d{0,18})?$|^\.\d{1,18}$/.test(text) ? text : null;
}

// --- Amounts of coins and tokens, as balances/templatetags/chains.py writes them -----------

const AMOUNT_PLACES = 6;

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
  const places = Math.min(decimals ?? 0, AMOUNT_PLACES);
  const cut = BigInt(value) / 10n ** BigInt((decimals ?? 0) - places);
  cell.title = inUnits(value, decimals ?? 0);
  if (cut === 0n && BigInt(value) !== 0n) cell.replaceChildren(thin("<\u2009"), plain(decimalText(1n, places), places));
  else writePrice(cell, decimalText(cut, places), places);
}
