/** The overview: a few prices and the newest blocks, live over one connection. */

import { ChainPage } from "./chain.js";
import { Live, showConnection } from "./live.js";
import { Row } from "./row.js";
import { refreshAges } from "./time.js";

const page = document.querySelector("[data-overview]");

function followPairs() {
  const rows = new Map([...page.querySelectorAll("[data-pair]")].map((element) => [element.dataset.pair, new Row(element)]));
  if (rows.size === 0) return null;
  const live = new Live("rates:live", [...rows.keys()]);
  const waiting = new Map();
  function draw() {
    for (const [key, detail] of waiting) rows.get(key).show(detail);
    waiting.clear();
    refreshAges();
  }
  live.addEventListener("value", ({ detail }) => {
    if (!rows.has(detail.key)) return;
    if (waiting.size === 0) requestAnimationFrame(draw);
    waiting.set(detail.key, detail);
  });
  return live;
}

function followChain() {
  const section = page.querySelector("[data-chain]");
  return section && new ChainPage(section);
}

const pairs = followPairs();
const chain = followChain();
const first = pairs ?? chain?.live;
if (first) showConnection(first, page);
pairs?.open();
chain?.start();
