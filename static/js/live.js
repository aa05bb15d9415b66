/**
 * The page's end of /ws/live (docs/architecture.md): newest values, honest silence.
 *
 * A page has one connection, whatever number of topics it follows. Values are absolute, so a skipped
 * `seq` is no loss. A lower `(epoch, seq)` is dropped; an equal one is applied, since the stale form
 * of a value keeps its number. What tells loss is the heartbeat: it names the newest `seq`, and none
 * for five seconds means a dead line.
 *
 * Events of a topic: `value` {key, data, meta}; `connection` {live, lastHeard}; `market` {state,
 * reason, since}, the state of the topic's source; `refused` {code, message}.
 */

import { agoText, serverNow, setServerTime } from "./time.js";

const SILENCE_MS = 5000;
const FIRST_DELAY_MS = 3000;
const LONGEST_DELAY_MS = 30_000;
const FAILURES_BEFORE_SSE = 3;
const REASONS = /_/g;
// After these a topic of one's own is not asked for again: the answer would be the same.
const FINAL = new Set(["not_signed_in", "signed_out", "permission_denied", "unknown_topic"]);
const bar = document.querySelector("[data-connection]");
const since = document.querySelector("[data-connection-since]");
const links = document.querySelectorAll("[data-status-link]");
const notice = document.querySelector("[data-market-notice]");
const reason = document.querySelector("[data-market-reason]");
const loaded = serverNow();

/** The connection that all topics of the page share: a websocket, or events where those fail. */
class Line {
  constructor() {
    this.topics = new Map();
    this.failures = 0;
    this.delay = FIRST_DELAY_MS;
    this.live = false;
    this.lastHeard = null;
    addEventListener("online", () => this.reopen());
    addEventListener("pageshow", (event) => event.persisted && this.reopen());
    addEventListener("pagehide", () => this.close());
  }

  add(topic) {
    this.topics.set(topic.topic, topic);
    if (this.end instanceof WebSocket) this.ask(topic);
    else if (this.end || !this.retry) this.open();
  }

  remove(topic) {
    this.topics.delete(topic.topic);
    if (this.topics.size === 0) this.close();
  }

  open() {
    this.close();
    this.heard = false;
    if (this.topics.size === 0) return;
    this.watch();
    if (this.failures >= FAILURES_BEFORE_SSE && this.failures % 2 === 1) this.openStream();
    else this.openSocket();
  }

  reopen() {
    if (!this.live) this.open();
  }

  close() {
    clearTimeout(this.silence);
    clearTimeout(this.retry);
    this.retry = null;
    const end = this.end;
    this.end = null;
    end?.close();
  }

  openSocket() {
    const url = new URL("/ws/live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.end = socket;
    socket.onopen = () => {
      for (const topic of this.topics.values()) this.ask(topic);
    };
    socket.onmessage = (event) => this.end === socket && this.receive(event.data);
    socket.onclose = () => this.end === socket && this.lose();
  }

  /** Subscribe, once the socket is open; until then `onopen` will. */
  ask(topic) {
    this.send(topic.subscription());
  }

  send(message) {
    if (this.end instanceof WebSocket && this.end.readyState === WebSocket.OPEN) this.end.send(JSON.stringify(message));
  }

  openStream() {
    const url = new URL("/api/v1/live", location.href);
    const topics = [...this.topics.values()];
    url.searchParams.set("topics", topics.map(({ topic }) => topic).join(","));
    // Keys can be named for one topic only; of several, the page hears more than it asked for.
    if (topics.length === 1 && topics[0].keys.length) url.searchParams.set("keys", topics[0].keys.join(","));
    const stream = new EventSource(url);
    this.end = stream;
    const receive = (event) => this.end === stream && this.receive(event.data);
    const names = topics.flatMap((topic) => [topic.topic, topic.stateEvent]);
    for (const name of new Set(["message", "heartbeat", ...names])) stream.addEventListener(name, receive);
    // The server's own events called "error" carry data; the browser's mean a broken line. It would
    // retry by itself, but without back-off: this class decides.
    stream.onerror = (event) => (event.data ? receive(event) : this.end === stream && this.lose());
  }

  receive(text) {
    this.watch();
    const message = JSON.parse(text);
    if (message.error) this.refuse(message.error);
    else if (message.event === "heartbeat") this.beat(message);
    else for (const topic of this.topics.values()) topic.receive(message);
    if (!message.error) this.succeed();
  }

  refuse(error) {
    const named = error.fields?.topic?.find((name) => this.topics.has(name));
    for (const topic of [...this.topics.values()]) {
      if (named && topic.topic !== named) continue;
      topic.tell("refused", error);
      // One reason to hear it is gone; whether there is another is for the server to say.
      if (error.code === "permission_withdrawn") this.ask(topic);
      if (!topic.personal || !FINAL.has(error.code)) continue;
      this.remove(topic);
      topic.tell("connection", { live: false, lastHeard: this.lastHeard });
    }
  }

  succeed() {
    this.lastHeard = serverNow();
    if (this.heard) return;
    this.heard = true;
    this.failures = 0;
    this.delay = FIRST_DELAY_MS;
    this.setLive(true);
  }

  beat({ data, meta }) {
    const time = typeof data.time === "number" ? data.time : Date.parse(data.time);
    if (time) setServerTime(time);
    for (const [name, state] of Object.entries(meta ?? {})) {
      const topic = this.topics.get(name);
      if (!topic) continue;
      topic.tell("market", state);
      if (topic.isBehind(state)) this.send({ op: "resync", topic: name });
    }
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
    for (const topic of this.topics.values()) topic.tell("connection", { live, lastHeard: this.lastHeard });
  }
}

let line = null;

/** One topic that the page follows. */
export class Live extends EventTarget {
  /**
   * @param {string} topic
   * @param {string[]} keys the keys wanted; none means all
   * @param {{personal?: boolean}} options `personal`: only for who is signed in
   */
  constructor(topic, keys = [], { personal = false } = {}) {
    super();
    this.topic = topic;
    this.keys = keys;
    this.personal = personal;
    this.stateEvent = `${topic.split(":")[0]}:state`;
    this.seen = new Map();
    this.epoch = 0;
  }

  open() {
    line ??= new Line();
    line.add(this);
  }

  close() {
    line?.remove(this);
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
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

  receive(message) {
    if (message.event === this.topic) this.apply(message);
    else if (message.event === this.stateEvent) this.tell("market", message.data);
  }

  apply({ data, meta }) {
    for (const [key, value] of Object.entries(data)) {
      const { epoch, seq } = meta[key];
      const last = this.seen.get(key);
      if (last && (epoch < last.epoch || (epoch === last.epoch && seq < last.seq))) continue;
      this.seen.set(key, { epoch, seq, live: meta[key].state === "live" });
      this.epoch = Math.max(this.epoch, epoch);
      this.tell("value", { key, data: value, meta: meta[key] });
    }
  }

  isBehind({ epoch, seq }) {
    let newest = -1;
    for (const seen of this.seen.values()) {
      if (seen.epoch === this.epoch) newest = Math.max(newest, seen.seq);
    }
    return epoch > this.epoch || (epoch === this.epoch && seq > newest);
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
  if (notice) live.addEventListener("market", ({ detail }) => showMarket(detail));
}

function showMarket({ state, reason: why }) {
  notice.hidden = state === "live";
  const text = why ? ` (${why.replace(REASONS, " ")})` : "";
  if (why !== undefined && reason.textContent !== text) reason.textContent = text;
}

/** Without a connection nobody knows whether a price is live: its word says so, and comes back. */
function nameStates(root, connected) {
  for (const element of root.querySelectorAll("[data-state='live'] [data-state-word]")) {
    element.textContent = connected ? "Live" : "Last known";
  }
}
