/** Figures of coins as text, in the shapes that the server's template filters also write. */

const DASH = "\u2013";
const MINUS = "\u2212";
const SIZES = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
const places = (digits) => ({ minimumFractionDigits: digits, maximumFractionDigits: digits });
const two = new Intl.NumberFormat("en-US", places(2));

/** A decimal text with its whole part in groups; every other digit stays as the source wrote it. */
export function price(text) {
  const [whole, fraction] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? `$${grouped}` : `$${grouped}.${fraction}`;
}

export function percent(text) {
  if (text === null || text === "") return DASH;
  const value = Number(text);
  const sign = value < 0 ? MINUS : "+";
  return `${sign}${two.format(Math.abs(value))}%`;
}

export function direction(text) {
  const value = Number(text);
  if (!text || value === 0) return "none";
  return value > 0 ? "up" : "down";
}

/** US dollars in three or four digits. */
export function short(text) {
  if (text === null || text === "") return DASH;
  const value = Number(text);
  const found = SIZES.find(([size]) => Math.abs(value) >= size);
  return found ? `$${two.format(value / found[0])} ${found[1]}` : `$${two.format(value)}`;
}
