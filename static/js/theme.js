/** The switch between light and dark. The choice is a cookie, so that the server's first byte has it. */

const YEAR_SECONDS = 31_536_000;
const root = document.documentElement;

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
