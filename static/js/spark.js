/** The small line of a pair's last day: the server's half-hour points, and the newest mid at the end. */

const SLOTS = 48;
const SLOT_MS = 1_800_000;
const REDRAW_MS = 5000;
const [WIDTH, HEIGHT, INSET] = [96, 28, 2];

export class Spark {
  constructor(svg) {
    this.svg = svg;
    this.line = svg.querySelector("polyline");
    const newest = Math.floor(Date.now() / SLOT_MS);
    // Slots count half hours since 1970 here, so that a page left open for hours moves on.
    this.points = new Map();
    for (const item of svg.dataset.series.split(" ").filter(Boolean)) {
      const [slot, value] = item.split(":").map(Number);
      this.points.set(newest - (SLOTS - 1) + slot, value);
    }
    this.drawn = -Infinity;
  }

  add(mid) {
    const newest = Math.floor(Date.now() / SLOT_MS);
    this.points.set(newest, mid);
    for (const slot of this.points.keys()) if (slot <= newest - SLOTS) this.points.delete(slot);
    if (performance.now() - this.drawn > REDRAW_MS) this.draw(newest);
  }

  draw(newest) {
    this.drawn = performance.now();
    if (this.points.size < 2) return;
    const values = [...this.points.values()];
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    const place = ([slot, value]) => {
      const x = ((slot - newest + SLOTS - 1) * WIDTH) / (SLOTS - 1);
      const y = HEIGHT - INSET - ((value - low) / span) * (HEIGHT - 2 * INSET);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    };
    const ordered = [...this.points].sort(([a], [b]) => a - b);
    this.line.setAttribute("points", ordered.map(place).join(" "));
  }
}
