/** Converts at the customer price, in whole steps of integers: a float would round money. */

import { exact, multiply, parseDecimal, plain, quotient, readAmount } from "./numbers.js";

// Places of an amount; everything that is not money of a state has eight.
const PLACES = { USD: 2, EUR: 2, GBP: 2, CHF: 2, CAD: 2, AUD: 2, JPY: 0 };
const places = (currency) => PLACES[currency] ?? 8;

export class Converter {
  constructor(panel) {
    this.panel = panel;
    this.prices = new Map();
    this.edited = "base";
    this.opener = document.querySelector("[data-converter-open]");
    this.pair = panel.querySelector("[data-converter-pair]");
    this.inputs = {
      base: panel.querySelector('[data-converter-amount="base"]'),
      quote: panel.querySelector('[data-converter-amount="quote"]'),
    };
    this.wire();
  }

  wire() {
    this.opener.hidden = false;
    this.opener.addEventListener("click", () => this.toggle(this.panel.hidden));
    this.panel.querySelector("[data-converter-close]").addEventListener("click", () => this.toggle(false));
    document.addEventListener("closepanels", () => this.panel.hidden || this.toggle(false));
    this.pair.addEventListener("change", () => this.compute());
    for (const side of this.panel.querySelectorAll("[data-converter-side]")) {
      side.addEventListener("change", () => this.compute());
    }
    for (const [name, input] of Object.entries(this.inputs)) {
      input.addEventListener("input", () => {
        this.edited = name;
        this.compute();
      });
    }
  }

  toggle(open) {
    this.panel.hidden = !open;
    this.opener.setAttribute("aria-expanded", open);
    if (open) {
      this.compute();
      this.inputs[this.edited].focus();
    } else {
      this.opener.focus();
    }
  }

  /** Take a pair's newest quote; it is used from the next keystroke or at once when shown. */
  quote(key, { data, meta }) {
    this.prices.set(key, { quoted: data.withSpread, decimals: meta.decimals, state: meta.state });
    if (!this.panel.hidden && key === this.pair.value) this.compute();
  }

  get side() {
    return this.panel.querySelector("[data-converter-side]:checked").value;
  }

  compute() {
    const [base, quote] = this.pair.value.split("_");
    this.label(base, quote);
    const other = this.edited === "base" ? "quote" : "base";
    const { price, shown } = this.price(quote, base);
    this.say("[data-converter-price]", shown);
    const typed = this.inputs[this.edited].value;
    const amount = readAmount(typed);
    const unclear = typed !== "" && amount === null;
    this.inputs[this.edited].setAttribute("aria-invalid", unclear);
    this.say("[data-converter-error]", unclear ? "Write an amount such as 0.25." : "");
    this.inputs[other].setAttribute("aria-invalid", "false");
    this.inputs[other].value = price && amount ? this.convert(amount, price, base, quote) : "";
  }

  /** The other amount. What the customer pays is rounded up, what the customer gets down. */
  convert(amount, price, base, quote) {
    const value = parseDecimal(amount);
    const buying = this.side === "buy";
    if (this.edited === "base") {
      const scale = places(quote);
      return plain(multiply(value, price, scale, buying), scale);
    }
    const scale = places(base);
    return plain(quotient(value, price, scale, !buying), scale);
  }

  price(quote, base) {
    const known = this.prices.get(this.pair.value);
    if (!known?.quoted) {
      return { price: null, shown: known ? `no price now (${known.state})` : "waiting for a price" };
    }
    const text = exact(known.quoted[this.side], known.decimals);
    return { price: parseDecimal(text), shown: `${plain(text, known.decimals)} ${quote} per ${base}` };
  }

  label(base, quote) {
    const buying = this.side === "buy";
    this.say("[data-converter-base]", base);
    this.say("[data-converter-quote]", quote);
    this.say("[data-converter-base-verb]", buying ? "You get" : "You give");
    this.say("[data-converter-quote-verb]", buying ? "You pay" : "You get");
  }

  say(selector, text) {
    for (const element of this.panel.querySelectorAll(selector)) {
      if (element.textContent !== text) element.textContent = text;
    }
  }
}
