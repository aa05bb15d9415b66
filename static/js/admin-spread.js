/**
 * The admin's spread pages: resulting prices while typing, and "live in N ms" after a save.
 * The server computes both; without this script the page shows them as of its loading.
 */

const TYPING_MS = 150;
const TICK_MS = 2000;
const ASK_FAST_MS = 100;
const ASK_SLOW_MS = 2000;
const FAST_FOR_MS = 5000;

const form = document.querySelector("form[data-preview]");
if (form) watchForm(form);
const receipt = document.querySelector("[data-receipt][data-live='no']");
if (receipt) awaitFeed(receipt);

function watchForm(form) {
  const target = form.querySelector(".desk-preview");
  let timer;
  let newest = 0;
  const refresh = async () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, TICK_MS);
    if (document.hidden) return;
    const query = new URLSearchParams(new FormData(form));
    for (const name of ["csrfmiddlewaretoken", "reason"]) query.delete(name);
    const number = ++newest;
    const answer = await fetch(`${form.dataset.preview}?${query}`).catch(() => null);
    // Answers may overtake each other; only the last question counts.
    if (number !== newest || !answer?.ok || answer.redirected) return;
    const html = await answer.text();
    if (number === newest && html !== target.innerHTML) target.innerHTML = html;
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, TYPING_MS);
  });
  timer = setTimeout(refresh, TICK_MS);
}

function awaitFeed(receipt) {
  const began = performance.now();
  const ask = async () => {
    const answer = await fetch(receipt.dataset.receipt).catch(() => null);
    const state = answer?.ok ? await answer.json() : null;
    if (state?.live) {
      const took = state.milliseconds === null ? "" : ` in ${state.milliseconds} ms`;
      receipt.textContent = `Version ${receipt.dataset.version} is live${took}.`;
      receipt.dataset.live = "yes";
      return;
    }
    setTimeout(ask, performance.now() - began < FAST_FOR_MS ? ASK_FAST_MS : ASK_SLOW_MS);
  };
  ask();
}
