/** The market overview: live figures, search, sorting, watchlist, converter. The server drew it all. */

import { tell } from "./coins-age.js";
import { direction, percent, price, short } from "./coins-figures.js";
import { Live, showConnection } from "./live.js";
import { multiply, parseDecimal, plain, readAmount } from "./numbers.js";
import { SortHeads } from "./sort-heads.js";
import { refreshAges, serverNow, setMoment } from "./time.js";

const FIGURES = ["change_1h", "change_24h", "change_7d", "market_cap", "volume_24h"];
const WATCHLIST = "quayside:watchlist";
const AGE_MS = 60_000;
const STALE_MS = 180_000;
const FLASH_MS = 400;
const MOST_FLASHES = 10;

const table = document.querySelector("[data-coins]");
const find = (name) => document.querySelector(`[data-coins-${name}]`);

class Market {
  constructor() {
    this.takeRows();
    this.watched = readWatchlist();
    this.etag = null;
    this.wireSearch();
    this.heads = new SortHeads(table, ["symbol", "rank"], () => this.arrange());
    this.wireStars();
    this.wireConverter();
  }

  /** Fetch what changed; the tag makes an unchanged list cost nothing. */
  async reload() {
    const query = `limit=${table.dataset.limit}&fields=${[...FIGURES, "name"].join(",")}`;
    const headers = this.etag ? { "If-None-Match": this.etag } : {};
    const answer = await fetch(`/api/v1/coins?${query}`, { headers, cache: "no-store" });
    if (answer.status !== 200 && answer.status !== 304) return;
    this.showAge(answer.headers);
    if (answer.status === 304) return;
    this.etag = answer.headers.get("ETag");
    this.show((await answer.json()).data);
  }

  showAge(headers) {
    const stale = headers.get("X-Data-Stale") === "1";
    const asOf = Date.parse(headers.get("X-Data-As-Of"));
    setMoment(find("as-of"), asOf);
    setMoment(find("ranked-at"), Date.parse(headers.get("X-Ranks-As-Of")));
    find("price-source").textContent = headers.get("X-Price-Source");
    find("rank-source").textContent = headers.get("X-Rank-Source");
    // Ranks may last longer than prices do; of them the server's word is asked for each minute.
    tell(stale, stale ? serverNow() : asOf + STALE_MS);
    refreshAges();
  }

  show(coins) {
    let flashes = 0;
    let moved = 0;
    for (const coin of coins) {
      const row = this.rows.get(coin.symbol);
      if (!row) return this.renew(); // another coin came in: only the server draws rows
      const before = row.dataset.price;
      if (before !== coin.price) {
        moved += 1;
        const rose = Number(coin.price) > Number(before);
        if (flashes++ < MOST_FLASHES) flash(row.querySelector('[data-cell="price"]'), rose);
      }
      this.write(row, coin);
    }
    find("summary").textContent = moved ? `${moved} prices changed.` : "";
    this.arrange();
    this.convert();
  }

  /** Take the rows that the server draws now, and leave everything else as it is. */
  async renew() {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const body = page.querySelector("[data-coins] tbody");
    if (!body) return;
    table.tBodies[0].replaceWith(document.adoptNode(body));
    this.takeRows();
    this.wireStars();
    const chosen = find("of");
    const symbol = chosen.value;
    chosen.replaceChildren(...[...this.rows.keys()].map((name) => new Option(name)));
    if (this.rows.has(symbol)) chosen.value = symbol;
    this.arrange();
    this.filter();
    this.convert();
  }

  takeRows() {
    this.body = table.tBodies[0];
    this.rows = new Map([...this.body.rows].map((row) => [row.dataset.symbol, row]));
  }

  write(row, coin) {
    row.dataset.rank = coin.rank;
    row.dataset.price = coin.price;
    set(row, "rank", String(coin.rank));
    const cell = set(row, "price", price(coin.price));
    cell.title = `${coin.price} USD`;
    for (const name of FIGURES) {
      const text = coin[name] ?? "";
      row.dataset[name] = text;
      const changes = name.startsWith("change");
      const figure = set(row, name, changes ? percent(text) : short(text));
      if (!changes) continue;
      figure.classList.remove("up", "down", "none");
      figure.classList.add(direction(text));
    }
  }

  wireSearch() {
    this.search = find("search");
    this.only = find("watched");
    this.search.hidden = this.only.hidden = false;
    this.search.addEventListener("input", () => this.filter());
    this.only.addEventListener("change", () => this.filter());
    find("clear").addEventListener("click", () => {
      this.search.value = "";
      this.only.querySelector("input").checked = false;
      this.filter();
      this.search.focus();
    });
  }

  filter() {
    const wanted = this.search.value.trim().toLowerCase();
    const watchedOnly = this.only.querySelector("input").checked;
    let shown = 0;
    for (const [symbol, row] of this.rows) {
      const matches = `${symbol} ${row.dataset.name}`.toLowerCase().includes(wanted);
      row.hidden = !matches || (watchedOnly && !this.watched.has(symbol));
      shown += row.hidden ? 0 : 1;
    }
    const all = this.rows.size;
    find("count").textContent = shown === all ? `${all} coins` : `${shown} of ${all} coins`;
    find("nothing").hidden = shown > 0;
  }

  arrange() {
    const { sign } = this.heads;
    const column = this.heads.column ?? "rank";
    const value = (row) => (column === "symbol" ? row.dataset.symbol : Number(row.dataset[column] || NaN));
    const compare = (a, b) => {
      const [left, right] = [value(a), value(b)];
      if (column === "symbol") return sign * left.localeCompare(right);
      // What is not known stands last, whichever way round.
      if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) - Number.isNaN(right);
      return sign * (left - right);
    };
    const before = [...this.body.rows];
    const after = [...before].sort(compare);
    if (after.some((row, place) => row !== before[place])) this.body.append(...after);
  }

  wireStars() {
    for (const [symbol, row] of this.rows) {
      const star = row.querySelector("[data-star]");
      star.hidden = false;
      star.setAttribute("aria-pressed", this.watched.has(symbol));
      star.addEventListener("click", () => {
        if (!this.watched.delete(symbol)) this.watched.add(symbol);
        star.setAttribute("aria-pressed", this.watched.has(symbol));
        writeWatchlist(this.watched);
        this.filter();
      });
    }
  }

  wireConverter() {
    const opener = find("convert");
    const panel = find("converter");
    opener.hidden = false;
    opener.addEventListener("click", () => {
      panel.hidden = !panel.hidden;
      opener.setAttribute("aria-expanded", !panel.hidden);
      this.convert();
      if (!panel.hidden) find("amount").focus();
    });
    panel.addEventListener("input", () => this.convert());
    panel.addEventListener("submit", (event) => event.preventDefault());
  }

  convert() {
    const row = this.rows.get(find("of").value);
    const amount = readAmount(find("amount").value);
    find("amount").setAttribute("aria-invalid", amount === null);
    const known = row && amount !== null;
    const worth = known ? multiply(parseDecimal(amount), parseDecimal(row.dataset.price), 2, false) : "";
    find("worth").textContent = known ? plain(worth, 2) : "\u2013";
  }
}

function set(row, name, text) {
  const cell = row.querySelector(`[data-cell="${name}"]`);
  if (cell.textContent !== text) cell.textContent = text;
  return cell;
}

function flash(cell, rose) {
  const name = rose ? "flash-up" : "flash-down";
  cell.classList.add(name);
  setTimeout(() => cell.classList.remove(name), FLASH_MS);
}

function readWatchlist() {
  try {
    const stored = JSON.parse(localStorage.getItem(WATCHLIST));
    return new Set(Array.isArray(stored) ? stored : []);
  } catch (error) {
    console.info("The watchlist could not be read:", error.message);
    return new Set();
  }
}

function writeWatchlist(symbols) {
  try {
    localStorage.setItem(WATCHLIST, JSON.stringify([...symbols]));
  } catch (error) {
    console.info("The watchlist is kept for this page only:", error.message);
  }
}

if (table) {
  const market = new Market();
  const reload = () => {
    market.reload().catch((error) => console.info("Coins could not be fetched:", error.message));
  };
  const live = new Live("coins:changed", ["price"]);
  live.addEventListener("value", reload);
  // A list that does not change any more tells nobody so: its age has to be asked for.
  setInterval(reload, AGE_MS);
  showConnection(live, table);
  live.open();
}
