/** What works on every page: the switch between light and dark, shortcuts, what Escape closes. */

const YEAR_SECONDS = 31_536_000;
const root = document.documentElement;
const CHORD_MS = 1000;
const dialog = document.querySelector("#keys");
let chordStarted = -Infinity;

// A theme that was chosen is kept in a cookie, so that the first byte of the next page has it.
function current() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  return root.dataset.theme ?? system;
}

function choose(theme) {
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax${secure}`;
  document.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.hidden = false;
  button.addEventListener("click", () => choose(current() === "dark" ? "light" : "dark"));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (!root.dataset.theme) document.dispatchEvent(new CustomEvent("themechange"));
});

function isTyping(target) {
  return target.closest?.("input, textarea, select, [contenteditable]") != null;
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (menu === except) continue;
    menu.open = false;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  }
}

function focusFilter(event) {
  const filter = document.querySelector("[data-filter]:not([hidden])");
  if (!filter) return;
  event.preventDefault();
  filter.focus();
  filter.select();
}

function shortcut(event) {
  const chord = performance.now() - chordStarted < CHORD_MS;
  chordStarted = -Infinity;
  if (event.key === "/") focusFilter(event);
  else if (event.key === "?") dialog.showModal();
  else if (event.key === "g") chordStarted = performance.now();
  else if (chord) document.querySelector(`.topbar__nav [data-go="${CSS.escape(event.key)}"]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    closeMenus();
    document.dispatchEvent(new CustomEvent("closepanels"));
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target) && !dialog.open) {
    shortcut(event);
  }
});

document.addEventListener("click", (event) => closeMenus(event.target.closest("details[data-menu]")));

for (const button of document.querySelectorAll("[data-keys-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => dialog.showModal());
}
