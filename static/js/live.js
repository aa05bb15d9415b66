/**
 * The page's end of /ws/live (docs/architecture.md): one topic, newest values, honest silence.
 *
 * Values are absolute, so a skipped `seq` is no loss. A lower `(epoch, seq)` is dropped; an equal one
 * is applied, since the stale form of a value keeps its number. What tells loss is the heartbeat: it
 * names the newest `seq`, and none for five seconds means a dead line.
 *
 * Events: `value` {key, data, meta}; `connection` {live, lastHeard}; `market` {state, reason, since};
 * `refused` {code, message}.
 */

import { agoText, serverNow, setServerTime } from "./time.js";

const SILENCE_MS = 5000;
const FIRST_DELAY_MS = 3000;
const LONGEST_DELAY_MS = 30_000;
const FAILURES_BEFORE_SSE = 3;
const REASONS = /_/g;
const bar = document.querySelector("[data-connection]");
const since = document.querySelector("[data-connection-since]");
const links = document.querySelectorAll("[data-status-link]");
const notice = document.querySelector("[data-market-notice]");
const reason = document.querySelector("[data-market-reason]");
const loaded = serverNow();

export class Live extends EventTarget {
  /** @param {string} topic @param {string[]} keys the keys wanted; none means all */
  constructor(topic, keys = []) {
    super();
    this.topic = topic;
    this.keys = keys;
    this.seen = new Map();
    this.epoch = 0;
    this.failures = 0;
    this.delay = FIRST_DELAY_MS;
    this.live = false;
    this.lastHeard = null;
    addEventListener("online", () => this.reopen());
    addEventListener("pageshow", (event) => event.persisted && this.reopen());
    addEventListener("pagehide", () => this.close());
  }

  open() {
    this.close();
    this.heard = false;
    this.watch();
    if (this.failures >= FAILURES_BEFORE_SSE && this.failures % 2 === 1) this.openStream();
    else this.openSocket();
  }

  reopen() {
    if (this.live) return;
    clearTimeout(this.retry);
    this.open();
  }

  close() {
    clearTimeout(this.silence);
    clearTimeout(this.retry);
    const line = this.line;
    this.line = null;
    line?.close();
  }

  openSocket() {
    const url = new URL("/ws/live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.line = socket;
    socket.onopen = () => socket.send(JSON.stringify(this.subscription()));
    socket.onmessage = (event) => this.line === socket && this.receive(event.data);
    socket.onclose = () => this.line === socket && this.lose();
  }

  openStream() {
    const url = new URL("/api/v1/live", location.href);
    url.searchParams.set("topics", this.topic);
    if (this.keys.length) url.searchParams.set("keys", this.keys.join(","));
    const stream = new EventSource(url);
    this.line = stream;
    const receive = (event) => this.line === stream && this.receive(event.data);
    for (const name of ["message", this.topic, "heartbeat", "rates:state"]) stream.addEventListener(name, receive);
    // The server's own events called "error" carry data; the browser's mean a broken line. It would
    // retry by itself, but without back-off: this class decides.
    stream.onerror = (event) => (event.data ? receive(event) : this.line === stream && this.lose());
  }

  subscription() {
    const message = { op: "subscribe", topic: this.topic };
    if (this.keys.length) message.keys = this.keys;
    if (this.seen.size) {
      // A key that is not live may have changed its form without a new number: ask for it anew.
      const held = [...this.seen].filter(([, { epoch, live }]) => live && epoch === this.epoch);
      message.epoch = this.epoch;
      message.last = Object.fromEntries(held.map(([key, { seq }]) => [key, seq]));
    }
    return message;
  }

  receive(text) {
    this.watch();
    const message = JSON.parse(text);
    if (message.error) this.dispatchEvent(new CustomEvent("refused", { detail: message.error }));
    else if (message.event === "heartbeat") this.beat(message);
    else if (message.event === "rates:state") this.dispatchEvent(new CustomEvent("market", { detail: message.data }));
    else if (message.event === this.topic) this.apply(message);
    if (!message.error) this.succeed();
  }

  succeed() {
    this.lastHeard = serverNow();
    if (this.heard) return;
    this.heard = true;
    this.failures = 0;
    this.delay = FIRST_DELAY_MS;
    this.setLive(true);
  }

  apply({ data, meta }) {
    for (const [key, value] of Object.entries(data)) {
      const { epoch, seq } = meta[key];
      const last = this.seen.get(key);
      if (last && (epoch < last.epoch || (epoch === last.epoch && seq < last.seq))) continue;
      this.seen.set(key, { epoch, seq, live: meta[key].state === "live" });
      this.epoch = Math.max(this.epoch, epoch);
      this.dispatchEvent(new CustomEvent("value", { detail: { key, data: value, meta: meta[key] } }));
    }
  }

  beat({ data, meta }) {
    const time = typeof data.time === "number" ? data.time : Date.parse(data.time);
    if (time) setServerTime(time);
    const topic = meta?.[this.topic];
    if (!topic) return;
    this.dispatchEvent(new CustomEvent("market", { detail: topic }));
    if (this.isBehind(topic) && this.line instanceof WebSocket) {
      this.line.send(JSON.stringify({ op: "resync", topic: this.topic }));
    }
  }

  isBehind({ epoch, seq }) {
    let newest = -1;
    for (const seen of this.seen.values()) {
      if (seen.epoch === this.epoch) newest = Math.max(newest, seen.seq);
    }
    return epoch > this.epoch || (epoch === this.epoch && seq > newest);
  }

  watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lose(), SILENCE_MS);
  }

  lose() {
    this.close();
    this.setLive(false);
    if (!this.heard) this.failures += 1;
    // Full jitter: a server that comes back is not met by everybody at once.
    this.retry = setTimeout(() => this.open(), Math.random() * this.delay);
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY_MS);
  }

  setLive(live) {
    if (this.live === live && !(live === false && this.lastHeard === null)) return;
    this.live = live;
    this.dispatchEvent(new CustomEvent("connection", { detail: { live, lastHeard: this.lastHeard } }));
  }
}

/**
 * Show what the page knows of its connection: the quiet bar, the greyed figures, the status dot.
 * `root` gets the class `is-lost` while there is no connection.
 */
export function showConnection(live, root) {
  let lastHeard = null;
  const describe = () => {
    const moment = lastHeard ?? loaded;
    since.dateTime = new Date(moment).toISOString();
    since.textContent = agoText(serverNow() - moment);
  };
  setInterval(() => bar.hidden || describe(), 1000);
  live.addEventListener("connection", ({ detail }) => {
    lastHeard = detail.lastHeard;
    bar.hidden = detail.live;
    root.classList.toggle("is-lost", !detail.live);
    nameStates(root, detail.live);
    for (const link of links) link.dataset.connection = detail.live ? "live" : "lost";
    if (!detail.live) describe();
  });
  live.addEventListener("market", ({ detail }) => {
    notice.hidden = detail.state === "live";
    const text = detail.reason ? ` (${detail.reason.replace(REASONS, " ")})` : "";
    if (detail.reason !== undefined && reason.textContent !== text) reason.textContent = text;
  });
}

/** Without a connection nobody knows whether a price is live: its word says so, and comes back. */
function nameStates(root, connected) {
  for (const element of root.querySelectorAll("[data-state='live'] [data-state-word]")) {
    element.textContent = connected ? "Live" : "Last known";
  }
}
