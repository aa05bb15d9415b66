/** One address: figures fill in and change while the page is open; the chart comes after them. */

import { followAddress } from "./balances-cells.js";
import { refreshParts, wireCopies } from "./balances-parts.js";
import { showConnection } from "./live.js";
import { refreshAges } from "./time.js";

const FIRST_LOOK_MS = 700;
const LONGEST_LOOK_MS = 8000;
const LOOKS = 20;

const page = document.querySelector("[data-address]");
const address = page.dataset.address;
const isPast = "past" in page.dataset;
let chart = null;

/** What was held is read once, by a worker that does not know who waits: the page looks again. */
function lookAgain(delay = FIRST_LOOK_MS, looks = LOOKS) {
  if (looks === 0 || !page.querySelector("[data-loading]")) return;
  setTimeout(async () => {
    await refreshParts();
    refreshAges();
    lookAgain(Math.min(delay * 1.5, LONGEST_LOOK_MS), looks - 1);
  }, delay);
}

function follow() {
  const live = followAddress(address, () => page, ({ key }) => chart?.changed(key));
  live.addEventListener("refused", ({ detail }) => console.info("Not followed:", detail.message));
  showConnection(live, page);
  live.open();
}

async function loadChart() {
  if (!page.querySelector("[data-history-box]")) return;
  const { HistoryChart } = await import("./balances-chart.js");
  chart = new HistoryChart(page);
  chart.start();
}

wireCopies();
// The past does not change; on its page a new balance would stand in the wrong place.
if (isPast) lookAgain();
else follow();
requestAnimationFrame(() => setTimeout(loadChart));
