/** The running day's totals: the server drew them, the topic orgs:live keeps them new. */

import { Live, showConnection } from "./live.js";

const list = document.querySelector("[data-today]");
const figures = new Map([...list.querySelectorAll("[data-figure]")].map((element) => [element.dataset.figure, element]));
const whole = new Intl.NumberFormat("en-US");

const live = new Live("orgs:live", [], { personal: true });
live.addEventListener("value", ({ detail: { data, meta } }) => {
  list.dataset.day = data.day;
  list.classList.toggle("is-lost", meta.state !== "live");
  for (const [name, element] of figures) {
    const text = whole.format(data[name]);
    if (element.textContent !== text) element.textContent = text;
  }
});
showConnection(live, list);
live.open();
