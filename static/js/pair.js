/** One pair's page: the live figures, the chart (loaded after them), the copy buttons. */

import { Live, showConnection } from "./live.js";
import { writePrice } from "./numbers.js";
import { Row } from "./row.js";
import { refreshAges } from "./time.js";

const SUMMARY_MS = 15_000;
const COPIED_MS = 2000;
const VOLUME_PLACES = 2;

const page = document.querySelector("[data-pair-page]");

function follow() {
  const row = new Row(page);
  const live = new Live("rates:live", [page.dataset.pair]);
  const volume = page.querySelector('[data-cell="volume"]');
  const noPrice = page.querySelector("[data-no-price]");
  let newest = null;
  let spoken = null;
  let waiting = false;

  function draw() {
    waiting = false;
    row.show(newest);
    writePrice(volume, newest.meta.volume, VOLUME_PLACES);
    noPrice.hidden = newest.meta.state === "live";
    noPrice.querySelector("[data-no-price-state]").textContent = newest.meta.state;
    refreshAges();
    page.dispatchEvent(new CustomEvent("price", { detail: newest }));
  }

  live.addEventListener("value", ({ detail }) => {
    newest = detail;
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  });
  setInterval(() => {
    const sentence = row.sentence();
    if (newest && sentence !== spoken) page.querySelector("[data-summary]").textContent = sentence;
    spoken = sentence;
  }, SUMMARY_MS);
  showConnection(live, page);
  live.open();
}

function wireCopy(button) {
  const word = button.querySelector("[data-copy-word]");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      word.textContent = "Copied";
    } catch (error) {
      console.info("The clipboard refused:", error.message);
      word.textContent = "Press Ctrl+C";
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    }
    setTimeout(() => (word.textContent = "Copy"), COPIED_MS);
  });
}

async function loadChart() {
  const { PairChart } = await import("./chart.js");
  new PairChart(page).start();
}

follow();
for (const button of document.querySelectorAll("[data-copy]")) wireCopy(button);
// The chart is most of the page's bytes; the prices come first.
requestAnimationFrame(() => setTimeout(loadChart));
