/**
 * The board of organisations: search as one types, and a list as long as it is, of which only the
 * rows in sight are drawn. The server has drawn the first page; without this module links page on.
 */

const ROW = 44;
const CHUNK = 100;
const SPARE = 12;
const TYPING_MS = 300;
// The address follows the scrolling when it rests: browsers refuse to be told for every row.
const RESTING_MS = 250;
// As the pages without this module have, so that an address leads to the same rows.
const PAGE = 50;
const DEFAULTS = { search: "", period: "all", sort: "-actions" };
// Taller pages than this are more than browsers can lay out.
const MOST_ROWS = 500_000;
const RETRY_MS = [2_000, 4_000, 8_000, 15_000, 30_000];
const API = "/api/metrics/top-orgs";

const numbers = new Intl.NumberFormat(navigator.languages, { numberingSystem: "latn" });

/** One search and what has been read of its answer. */
class List {
  constructor(asked) {
    this.asked = asked;
    this.chunks = new Map();
    this.pending = new Set();
    this.total = 0;
    this.capped = false;
    this.end = null;
    this.asOf = null;
    this.leaving = new AbortController();
  }

  /** How many rows the page makes room for: where the count is capped, a little beyond the read. */
  get length() {
    if (this.end !== null) return Math.min(this.end, MOST_ROWS);
    if (!this.capped) return Math.min(this.total, MOST_ROWS);
    const read = Math.max(-1, ...this.chunks.keys()) + 1;
    return Math.min(Math.max(this.total, read * CHUNK + CHUNK), MOST_ROWS);
  }

  /** Whether there are more rows than a page can be tall for. */
  get cut() {
    return !this.capped && (this.end ?? this.total) > MOST_ROWS;
  }

  row(index) {
    return this.chunks.get(Math.floor(index / CHUNK))?.[index % CHUNK];
  }

  query(extra = {}) {
    return new URLSearchParams({ ...this.asked, ...extra });
  }

  /** What an address must say beyond what goes without saying. */
  address(page = 1) {
    const telling = Object.entries(this.asked).filter(([name, value]) => value !== DEFAULTS[name]);
    return new URLSearchParams(page > 1 ? [...telling, ["page", page]] : telling).toString();
  }

  /** Read one chunk. Throws what `fetch` throws, and `Refused` for a refusal. */
  async read(number) {
    const query = this.query({ page: number + 1, limit: CHUNK });
    const answer = await fetch(`${API}?${query}`, {
      signal: this.leaving.signal,
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) throw new Refused(answer);
    const { data, pagination } = await answer.json();
    this.chunks.set(number, data);
    this.total = pagination.total;
    this.capped = pagination.totalIsCapped === true;
    this.asOf = answer.headers.get("X-Board-As-Of");
    if (!pagination.hasMore && (data.length > 0 || number === 0)) {
      this.end = number * CHUNK + data.length;
    }
  }
}

class Refused extends Error {
  constructor(answer) {
    super(`status ${answer.status}`);
    this.status = answer.status;
    this.wait = Number(answer.headers.get("Retry-After")) * 1000;
  }
}

class Board {
  constructor(table) {
    this.table = table;
    this.body = table.querySelector("[data-rows]");
    this.form = document.querySelector("[data-orgs-form]");
    this.problem = document.querySelector("[data-problem]");
    this.failures = 0;
    this.drawn = "";
    this.heads = [...table.querySelectorAll("[data-first]")];
    this.list = this.listOfForm();
    this.place = (Number(table.dataset.page) - 1) * PAGE || null;
    this.rows = new Map();
    this.above = spacer();
    this.below = spacer();
  }

  start() {
    document.documentElement.classList.add("has-script");
    let typing;
    this.form.elements.search.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.change(), TYPING_MS);
    });
    this.form.elements.period.addEventListener("change", () => this.change());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(typing);
      this.change();
    });
    for (const head of this.heads) head.addEventListener("click", (event) => this.sort(event, head));
    addEventListener("scroll", () => this.scrolled(), { passive: true });
    addEventListener("resize", () => this.show());
    addEventListener("online", () => this.retry());
    addEventListener("offline", () => this.fail(new TypeError("offline")));
    addEventListener("popstate", () => this.restore());
    this.problem.querySelector("[data-retry]").addEventListener("click", () => this.retry());
    this.want(this.beginning());
  }

  /** The chunk to read first. */
  beginning() {
    return Math.floor((this.place ?? 0) / CHUNK);
  }

  listOfForm() {
    const { search, period, sort } = this.form.elements;
    return new List({ search: search.value.trim(), period: period.value, sort: sort.value });
  }

  sort(event, head) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { sort } = this.form.elements;
    sort.value = sort.value === head.dataset.first ? head.dataset.other : head.dataset.first;
    this.change();
  }

  scrolled() {
    this.show();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      const above = Math.max(0, scrollY + this.covered() - this.top()) / ROW;
      // At the end of a list that is cut the rows in sight are not where the reader meant to go.
      if (this.list.cut && above + innerHeight / ROW >= MOST_ROWS) return;
      const page = Math.floor(above / PAGE) + 1;
      this.tellAddress("replaceState", page);
    }, RESTING_MS);
  }

  tellAddress(how, page) {
    const url = new URL(location.href);
    url.search = this.list.address(page);
    if (url.href !== location.href) history[how](null, "", url);
  }

  /** Search for what the form says now; the address says it too. */
  change() {
    const next = this.listOfForm();
    if (next.address() === this.list.address()) return;
    this.leave(next, 0);
    this.tellAddress("pushState", 1);
  }

  restore() {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(DEFAULTS)) {
      this.form.elements[name].value = query.get(name) ?? value;
    }
    const page = Number.parseInt(query.get("page") ?? "1", 10);
    this.leave(this.listOfForm(), page > 1 ? (page - 1) * PAGE : 0);
  }

  leave(next, place) {
    this.list.leaving.abort();
    clearTimeout(this.waiting);
    clearTimeout(this.resting);
    this.list = next;
    this.failures = 0;
    const link = document.querySelector("[data-export]");
    link.href = `${API}?${next.query({ format: "csv" })}`;
    this.table.setAttribute("aria-busy", "true");
    for (const head of this.heads) this.drawHead(head, next);
    this.place = place;
    this.want(this.beginning());
  }

  drawHead(head, list) {
    const { first, other } = head.dataset;
    const { sort } = list.asked;
    const down = sort.startsWith("-") ? "descending" : "ascending";
    head.setAttribute("aria-sort", sort === first || sort === other ? down : "none");
    const query = list.query({ sort: sort === first ? other : first });
    head.querySelector("a").href = `?${query}`;
  }

  /** Read a chunk unless it is here or on its way. */
  async want(number) {
    const list = this.list;
    if (list.chunks.has(number) || list.pending.has(number)) return;
    list.pending.add(number);
    try {
      await list.read(number);
      if (list !== this.list) return;
      this.recover();
      this.tell();
      this.drawn = "";
      if (this.place !== null) this.begin(list);
      this.show();
    } catch (error) {
      if (list === this.list && error.name !== "AbortError") this.fail(error);
    } finally {
      list.pending.delete(number);
    }
  }

  /** Go to the row that the address names, or to the first if the page is further down. */
  begin(list) {
    const { place } = this;
    this.place = null;
    // The rows above must have their room before there is somewhere to scroll to.
    if (place > 0) this.draw(list, 0, 0);
    const top = this.top() - this.covered();
    scrollTo(0, place > 0 ? top + place * ROW : Math.min(scrollY, top));
  }

  /** What the bar and the sticky heads cover of the window. */
  covered() {
    const [head] = this.heads;
    return Number.parseFloat(getComputedStyle(head).top) + head.offsetHeight;
  }

  top() {
    return this.body.getBoundingClientRect().top + scrollY;
  }

  /** Draw the rows in sight, and ask for those that are missing. */
  show() {
    const { list } = this;
    if (!list.chunks.size) return;
    const offset = scrollY - this.top();
    const first = Math.max(0, Math.floor(offset / ROW) - SPARE);
    const last = Math.min(list.length, Math.ceil((offset + innerHeight) / ROW) + SPARE);
    for (let chunk = Math.floor(first / CHUNK); chunk * CHUNK < last; chunk += 1) this.want(chunk);
    const mark = `${first} ${last} ${list.length}`;
    if (mark === this.drawn) return;
    this.drawn = mark;
    this.draw(list, first, last);
  }

  /** Rows that stay are not touched: one of them may hold the keyboard's focus. */
  draw(list, first, last) {
    for (const [index, row] of this.rows) {
      if (index >= first && index < last && row.item === list.row(index)) continue;
      row.element.remove();
      this.rows.delete(index);
    }
    if (this.above.parentNode !== this.body) this.body.replaceChildren(this.above, this.below);
    this.above.firstChild.style.height = `${first * ROW}px`;
    this.below.firstChild.style.height = `${Math.max(0, list.length - last) * ROW}px`;
    let before = this.above;
    for (let index = first; index < last; index += 1) {
      const item = list.row(index);
      if (!this.rows.has(index)) this.rows.set(index, { item, element: drawRow(item, index) });
      const { element } = this.rows.get(index);
      if (before.nextSibling !== element) before.after(element);
      before = element;
    }
  }

  tell() {
    const { list } = this;
    const capped = list.capped && list.end === null;
    const total = list.end !== null && list.capped ? list.end : list.total;
    const words = total === 1 ? "organisation" : "organisations";
    document.querySelector("[data-count]").textContent =
      `${numbers.format(total)}${capped ? "+" : ""} ${words}`;
    const nothing = document.querySelector("[data-nothing]");
    nothing.hidden = list.length > 0;
    nothing.querySelector("h2").textContent = list.asked.search
      ? "No organisation matches"
      : `No organisation ${list.asked.period === "all" ? "yet" : "did anything in this period"}`;
    const cut = document.querySelector("[data-cut]");
    cut.hidden = !list.cut;
    cut.querySelector("a").href = `?${list.address(MOST_ROWS / PAGE + 1)}`;
    const asOf = document.querySelector("[data-as-of]");
    asOf.hidden = list.asOf === null;
    if (list.asOf !== null) drawMoment(asOf.querySelector("time"), list.asOf);
    this.table.setAttribute("aria-rowcount", capped ? -1 : list.length + 1);
    this.table.removeAttribute("aria-busy");
  }

  /** Keep what is shown, say that it may be old, and try again by and by. */
  fail(error) {
    const wait = error.wait || RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    this.table.classList.add("is-lost");
    this.problem.querySelector("[data-problem-text]").textContent = sentence(error);
    this.problem.hidden = false;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.retry(), wait);
  }

  retry() {
    clearTimeout(this.waiting);
    if (this.problem.hidden) return;
    if (!this.list.chunks.size) {
      this.want(this.beginning());
      return;
    }
    // What is in sight is read again: it says whether the connection is back.
    const here = Math.max(0, Math.floor((scrollY - this.top()) / ROW / CHUNK));
    const held = this.list.chunks.get(here);
    this.list.chunks.delete(here);
    this.want(here).finally(() => {
      if (held && !this.list.chunks.has(here)) this.list.chunks.set(here, held);
    });
  }

  recover() {
    this.failures = 0;
    clearTimeout(this.waiting);
    this.table.classList.remove("is-lost");
    this.problem.hidden = true;
  }
}

function sentence(error) {
  if (!navigator.onLine) return "You are offline. What was read stays; more comes when you are back.";
  if (error.status === 429) return "Too many requests. More comes in a moment.";
  if (error.status === 401 || error.status === 403) return "You are signed out. Sign in to go on.";
  return "The server does not answer. What was read stays; trying again.";
}

function spacer() {
  const row = document.createElement("tr");
  row.className = "orgs__space";
  row.setAttribute("aria-hidden", "true");
  const cell = row.appendChild(document.createElement("td"));
  // The fourth column is not there on narrow screens.
  cell.colSpan = 3;
  return row;
}

function drawRow(item, index) {
  const row = document.createElement("tr");
  row.setAttribute("aria-rowindex", index + 2);
  if (!item) {
    row.className = "is-loading";
    row.append(cellOf("td", "", "num"), cellOf("th", "Loading"), cellOf("td", ""), cellOf("td", ""));
    return row;
  }
  const name = cellOf("th", "");
  name.scope = "row";
  if (item.slug) {
    const link = name.appendChild(document.createElement("a"));
    link.href = `/orgs/${item.slug}/`;
    link.textContent = item.name;
  } else {
    name.textContent = item.name;
  }
  const rank = item.rank === null ? "\u2013" : numbers.format(item.rank);
  row.append(cellOf("td", rank, "num"), name, cellOf("td", numbers.format(item.actions), "num"));
  row.append(activeCell(item.lastActiveAt));
  return row;
}

function cellOf(kind, text, name = "") {
  const cell = document.createElement(kind);
  cell.textContent = text;
  if (name) cell.className = name;
  return cell;
}

function activeCell(moment) {
  const cell = document.createElement("td");
  if (moment === null) {
    cell.textContent = "\u2013";
    return cell;
  }
  drawMoment(cell.appendChild(document.createElement("time")), moment);
  return cell;
}

function drawMoment(time, moment) {
  time.dateTime = moment;
  time.title = `${moment.slice(0, 19).replace("T", " ")} UTC`;
  time.textContent = age(Math.max(0, (Date.now() - Date.parse(moment)) / 1000));
}

function age(seconds) {
  for (const [size, unit] of [[86_400, "d"], [3_600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}

const table = document.querySelector("[data-orgs]");
// Pages behind the end of the list stay as the server drew them, with its links.
if (table && (Number(table.dataset.page) - 1) * PAGE < MOST_ROWS) new Board(table).start();
