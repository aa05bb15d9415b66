/** The portfolio: figures of every watched address stay true while the page is open. */

import { followAddress } from "./balances-cells.js";
import { wireCopies } from "./balances-parts.js";
import { showConnection } from "./live.js";

// What a connection may follow is limited; the rest is true when the page is opened.
const FOLLOWED = 40;

const page = document.querySelector("[data-portfolio]");
const cards = [...page.querySelectorAll("[data-watch]")].map((card) => card.dataset.watch);
const topics = [...new Set(cards)].slice(0, FOLLOWED).map((address) =>
  followAddress(address, () => page.querySelector(`[data-watch="${CSS.escape(address)}"]`)),
);

wireCopies();
if (topics.length) showConnection(topics[0], page);
for (const topic of topics) topic.open();
