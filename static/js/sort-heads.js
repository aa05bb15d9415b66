/**
 * Table heads that sort: the first click in the column's usual direction, the second the other way
 * round, the third gives the table's own order back.
 */

const ARROWS = { ascending: "\u2191", descending: "\u2193", none: "" };

export class SortHeads {
  /** `ascending` names the columns that begin with the smallest; `changed` is called after a click. */
  constructor(table, ascending, changed) {
    this.ascending = ascending;
    this.changed = changed;
    /** The chosen column, or null for the table's own order. */
    this.column = null;
    this.descending = false;
    this.heads = [...table.querySelectorAll("th[data-sort]")];
    this.heads.forEach((head) => this.wire(head));
  }

  /** What to multiply a comparison with. */
  get sign() {
    return this.column && this.descending ? -1 : 1;
  }

  wire(head) {
    const button = document.createElement("button");
    const arrow = document.createElement("span");
    button.type = "button";
    button.className = "sort";
    arrow.className = "arrow";
    arrow.setAttribute("aria-hidden", "true");
    button.append(head.textContent, arrow);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => this.choose(head));
  }

  choose(head) {
    const column = head.dataset.sort;
    const again = this.column === column;
    const first = !this.ascending.includes(column);
    const back = again && this.descending !== first;
    this.descending = again ? !this.descending : first;
    this.column = back ? null : column;
    for (const other of this.heads) {
      const direction = this.descending ? "descending" : "ascending";
      const state = other === head && this.column ? direction : "none";
      other.setAttribute("aria-sort", state);
      other.querySelector(".arrow").textContent = ARROWS[state];
    }
    this.changed();
  }
}
