/** The chain's page: blocks and transactions as they come, one message a block. */

import { refreshParts } from "./balances-parts.js";
import { blockRow, dropFrom, entryRow, prepend } from "./chain-rows.js";
import { Live, showConnection } from "./live.js";
import { plain } from "./numbers.js";
import { milliseconds, refreshAges, setMoment } from "./time.js";

const SUMMARY_MS = 15_000;

/** Follows one chain on a page that shows its blocks, and perhaps its transactions. */
export class ChainPage {
  constructor(page) {
    this.page = page;
    this.blocks = page.querySelector("[data-blocks]");
    this.entries = page.querySelector("[data-entries]");
    this.coin = { symbol: page.dataset.symbol, decimals: Number(page.dataset.decimals) };
    this.epoch = Number(page.dataset.epoch);
    this.newest = this.newestShown();
    // Filters, and pages of older ones, are the server's work.
    this.plain = !("filtered" in page.dataset);
    this.heard = this.well = true;
    this.paused = false;
    this.missed = false;
    this.live = new Live(`chain:${page.dataset.chain}`);
    this.live.addEventListener("value", ({ detail }) => detail.key === "head" && this.head(detail));
    this.live.addEventListener("market", ({ detail }) => this.tell(detail));
    this.wirePause();
  }

  start() {
    this.live.open();
    let spoken = this.newest;
    const summary = document.querySelector("[data-summary]");
    setInterval(() => {
      if (this.newest === spoken || !summary) return;
      spoken = this.newest;
      summary.textContent = `Block ${plain(String(spoken), 0)} is the newest.`;
    }, SUMMARY_MS);
  }

  newestShown() {
    return Math.max(-1, ...[...(this.blocks?.rows ?? [])].map((row) => Number(row.dataset.block)));
  }

  head({ data, meta }) {
    if (meta.epoch > this.epoch) this.reorganise(data, meta);
    else if (data.number === this.newest + 1 && this.blocks) this.draw(data);
    else if (data.number > this.newest) this.read();
    this.newest = data.number;
    this.showHead(data);
    // A block is a sign of life, ahead of the next heartbeat; the stale form of one is not.
    if (meta.state !== "stale") this.notice({ heard: true });
  }

  draw(block) {
    prepend(this.blocks, [blockRow(block)]);
    if (this.entries) this.drawEntries(block);
    refreshAges();
  }

  drawEntries(block) {
    if (!this.plain || this.paused) {
      this.missed = true;
      if (!this.paused && block.tx_count) this.read();
    } else if (block.txs?.length) {
      prepend(this.entries, block.txs.map((tx) => entryRow(tx, block.number, this.coin)));
    }
  }

  /** Blocks were taken back: what stood in them goes at once, and the page is read again. */
  reorganise(data, meta) {
    this.epoch = meta.epoch;
    const first = meta.reorg?.from ?? data.number;
    dropFrom(first, ...[this.blocks, this.entries].filter(Boolean));
    this.read();
  }

  read() {
    this.missed = false;
    refreshParts().then(() => {
      // Transactions that are held still were left alone: they are read once more when let go.
      if (this.paused) this.missed = true;
      this.newest = Math.max(this.newest, this.newestShown());
      refreshAges();
    });
  }

  showHead({ number, ts }) {
    for (const cell of document.querySelectorAll("[data-head]")) cell.textContent = plain(String(number), 0);
    // A reorg's message names the ancestor only.
    if (ts) for (const age of document.querySelectorAll("[data-head-age]")) setMoment(age, milliseconds(ts));
    refreshAges();
  }

  /** The follower says how it fares, and heartbeats whether it is heard of at all. */
  tell({ state, reason, seq }) {
    if (seq === undefined) this.notice({ well: state === "live", reason });
    else this.notice({ heard: state === "live" });
  }

  /** Show or take away the notice: news must arrive, and the follower be well. */
  notice(news) {
    Object.assign(this, news);
    const notice = document.querySelector("[data-chain-notice]");
    const fine = this.heard && this.well;
    if (!notice || notice.hidden === fine) return;
    notice.hidden = fine;
    const reason = this.heard ? this.reason : "follower silent";
    notice.querySelector("[data-chain-reason]").textContent = reason ? ` (${reason.replaceAll("_", " ")})` : "";
    this.read();
  }

  wirePause() {
    const card = this.page.querySelector("[data-entries-card]");
    if (!card) return;
    const mark = card.querySelector("[data-paused]");
    const pause = (paused) => {
      this.paused = paused;
      mark.hidden = !paused;
      card.toggleAttribute("data-held", paused);
      if (!paused && this.missed) this.read();
    };
    card.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && pause(true));
    card.addEventListener("pointerleave", () => pause(false));
    card.addEventListener("focusin", () => pause(true));
    card.addEventListener("focusout", () => pause(card.matches(":hover")));
  }
}

const page = document.querySelector("[data-chain]");
if (page && page.querySelector("[data-entries]")) {
  const chain = new ChainPage(page);
  showConnection(chain.live, page);
  chain.start();
}
