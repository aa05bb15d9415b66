/** The board: live cells, filter, favourites, sorting. The server has drawn everything already. */

import { Converter } from "./converter.js";
import { Live, showConnection } from "./live.js";
import { Row } from "./row.js";
import { SortHeads } from "./sort-heads.js";
import { refreshAges } from "./time.js";

const SUMMARY_MS = 15_000;
const FAVOURITES = "quayside:favourites";

const table = document.querySelector("[data-board]");

function start() {
  const body = table.tBodies[0];
  const rows = new Map([...body.rows].map((element) => [element.dataset.pair, new Row(element)]));
  const live = new Live("rates:live");
  const order = new Order(body, rows);
  const converter = new Converter(document.querySelector("[data-converter]"));
  const moved = new Set();
  const waiting = new Map();

  function draw() {
    for (const [key, detail] of waiting) {
      rows.get(key).show(detail);
      converter.quote(key, detail);
      moved.add(key);
    }
    waiting.clear();
    refreshAges();
  }

  live.addEventListener("value", ({ detail }) => {
    if (!rows.has(detail.key)) return;
    if (waiting.size === 0) requestAnimationFrame(draw);
    waiting.set(detail.key, detail);
  });
  showConnection(live, table);
  setInterval(() => summarise(moved, rows, order), SUMMARY_MS);
  live.open();
}

/** Say in one sentence what moved, for those who do not see it. */
function summarise(moved, rows, order) {
  if (moved.size === 0) return;
  const first = order.favourites.find((key) => moved.has(key)) ?? moved.values().next().value;
  const count = moved.size === 1 ? "1 price" : `${moved.size} prices`;
  document.querySelector("[data-summary]").textContent = `${count} moved. ${rows.get(first).sentence()}`;
  moved.clear();
}

/** Which rows show, and in which order: favourites first, then the chosen column. */
class Order {
  constructor(body, rows) {
    this.body = body;
    this.rows = rows;
    this.original = [...rows.keys()];
    this.favourites = readFavourites().filter((key) => rows.has(key));
    this.filter = document.querySelector("[data-filter]");
    this.wireFilter();
    this.heads = new SortHeads(table, ["pair"], () => this.arrange());
    this.wireStars();
    this.arrange();
  }

  wireFilter() {
    this.filter.hidden = false;
    this.filter.addEventListener("input", () => this.applyFilter());
    this.filter.addEventListener("keydown", (event) => event.key === "Escape" && this.clear());
    document.querySelector("[data-filter-clear]").addEventListener("click", () => {
      this.clear();
      this.filter.focus();
    });
  }

  clear() {
    this.filter.value = "";
    this.applyFilter();
  }

  applyFilter() {
    const wanted = this.filter.value.toUpperCase().replace(/[^A-Z0-9]/g, "");
    let shown = 0;
    for (const [key, row] of this.rows) {
      row.element.hidden = !key.replace("_", "").includes(wanted);
      shown += row.element.hidden ? 0 : 1;
    }
    const all = this.rows.size;
    document.querySelector("[data-count]").textContent = shown === all ? `${all} pairs` : `${shown} of ${all} pairs`;
    document.querySelector("[data-nothing]").hidden = shown > 0;
  }

  wireStars() {
    for (const [key, row] of this.rows) {
      const star = row.element.querySelector("[data-star]");
      star.hidden = false;
      star.setAttribute("aria-pressed", this.favourites.includes(key));
      star.addEventListener("click", () => this.toggleStar(key, star));
    }
  }

  toggleStar(key, star) {
    const held = this.favourites.includes(key);
    this.favourites = held ? this.favourites.filter((other) => other !== key) : [...this.favourites, key];
    star.setAttribute("aria-pressed", !held);
    writeFavourites(this.favourites);
    this.arrange();
    star.focus();
  }

  arrange() {
    const { column, sign } = this.heads;
    const compare = (a, b) => {
      if (!column) return this.original.indexOf(a) - this.original.indexOf(b);
      return this.rows.get(a).compare(this.rows.get(b), column, sign);
    };
    const group = (key) => (this.favourites.includes(key) ? 0 : 1);
    const keys = [...this.original].sort((a, b) => group(a) - group(b) || compare(a, b));
    this.body.append(...keys.map((key) => this.rows.get(key).element));
  }
}

function readFavourites() {
  try {
    const stored = JSON.parse(localStorage.getItem(FAVOURITES));
    return Array.isArray(stored) ? stored : [];
  } catch (error) {
    console.info("Favourites could not be read:", error.message);
    return [];
  }
}

function writeFavourites(keys) {
  try {
    localStorage.setItem(FAVOURITES, JSON.stringify(keys));
  } catch (error) {
    console.info("Favourites are kept for this page only:", error.message);
  }
}

if (table) start();
