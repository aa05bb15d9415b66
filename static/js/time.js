/** Ages that stay true: every `[data-age]` is rewritten once a second against the server's clock. */

let offset = 0;

/** Tell the server's clock, in milliseconds since 1970. */
export function setServerTime(milliseconds) {
  offset = milliseconds - Date.now();
}

export function serverNow() {
  return Date.now() + offset;
}

/** A moment as messages carry it (ISO 8601, seconds or milliseconds since 1970) in milliseconds. */
export function milliseconds(moment) {
  if (typeof moment === "string") return Date.parse(moment);
  return moment > 1e11 ? moment : moment * 1000;
}

export function agoText(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

const full = new Intl.DateTimeFormat(navigator.languages, {
  dateStyle: "medium",
  timeStyle: "long",
});

/** Set the moment of a `<time>` element, in milliseconds since 1970. */
export function setMoment(element, milliseconds) {
  element.dataset.ms = milliseconds;
}

function refresh(element, now) {
  const moment = Number(element.dataset.ms ?? Date.parse(element.dateTime));
  if (Number.isNaN(moment)) return;
  const text = agoText(now - moment);
  if (element.textContent !== text) element.textContent = text;
  if (element.dataset.shown === String(moment)) return;
  element.dataset.shown = moment;
  element.dateTime = new Date(moment).toISOString();
  element.title = full.format(moment);
}

export function refreshAges() {
  const now = serverNow();
  for (const element of document.querySelectorAll("[data-age]")) refresh(element, now);
}

const started = document.querySelector("[data-now]");
if (started) setServerTime(Number(started.dataset.now) + performance.now());
setInterval(refreshAges, 1000);
