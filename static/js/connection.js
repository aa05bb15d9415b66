/** What every live page shows of its connection: the quiet bar, the greyed figures, the status dot. */

import { agoText, serverNow } from "./time.js";

const REASONS = /_/g;
const bar = document.querySelector("[data-connection]");
const since = document.querySelector("[data-connection-since]");
const links = document.querySelectorAll("[data-status-link]");
const notice = document.querySelector("[data-market-notice]");
const reason = document.querySelector("[data-market-reason]");
const loaded = serverNow();

/** Follow `live`; `root` gets the class `is-lost` while there is no connection. */
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
