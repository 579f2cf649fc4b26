// Tens of thousands of rows, of which only those in sight are elements.
//
// A grid for assistive technology: it says how many rows there are and which one this is. The arrow
// keys choose a row, Enter opens it.

import { h } from "./dom";

export interface Column<T> {
  title: string;
  width: string; // as in grid-template-columns
  number?: boolean;
  text: (item: T) => string;
  kind?: (item: T) => string; // a class of the cell
}

export const ROW_HEIGHT = 27;
const SPARE = 6; // rows above and below those in sight
const AHEAD = 1000; // rows below them that are asked for before they are needed

interface Slot {
  element: HTMLElement;
  cells: HTMLElement[];
  index: number;
}

export class VirtualList<T> {
  readonly element: HTMLElement;
  private readonly scroller = h("div", { class: "rows", tabindex: "0", role: "grid", "aria-readonly": "true" });
  private readonly canvas = h("div", { class: "rows-all", role: "rowgroup" });
  private readonly slots: Slot[] = [];
  private items: T[] = [];
  private chosen = -1;
  private frame = 0;
  private readonly resize = new ResizeObserver(() => this.schedule());

  constructor(
    private readonly columns: Column<T>[],
    label: string,
    private readonly open: (item: T) => void,
    private readonly nearEnd: () => void,
  ) {
    const head = h("div", { class: "row head", role: "row", "aria-rowindex": "1" },
      ...columns.map(({ title, number }) => h("span", { role: "columnheader", class: number && "number" }, title)));
    this.element = h("div", { class: "virtual" }, this.scroller);
    this.element.style.setProperty("--columns", columns.map(({ width }) => width).join(" "));
    this.scroller.setAttribute("aria-label", label);
    this.scroller.append(head, this.canvas);
    this.scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.walk(event));
    this.scroller.addEventListener("click", (event) => this.click(event));
    this.resize.observe(this.scroller);
  }

  destroy(): void {
    this.resize.disconnect();
    cancelAnimationFrame(this.frame);
  }

  get length(): number {
    return this.items.length;
  }

  /** `added`: so many were put before the others, which stay where they are in sight. */
  set(items: T[], added = 0): void {
    for (const slot of this.slots) {
      if (this.items[slot.index] !== items[slot.index]) slot.index = -1;
    }
    this.items = items;
    if (this.chosen >= 0) this.chosen = Math.min(this.chosen + added, items.length - 1);
    this.scroller.setAttribute("aria-rowcount", String(items.length + 1));
    this.canvas.style.setProperty("height", `${items.length * ROW_HEIGHT}px`);
    if (added > 0 && this.scroller.scrollTop > 0) this.scroller.scrollTop += added * ROW_HEIGHT;
    this.schedule();
  }

  choose(index: number): void {
    const item = this.items[index];
    if (item === undefined) return;
    this.chosen = index;
    const top = index * ROW_HEIGHT;
    const height = this.scroller.clientHeight - ROW_HEIGHT; // the head covers a row
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW_HEIGHT > this.scroller.scrollTop + height) this.scroller.scrollTop = top + ROW_HEIGHT - height;
    this.draw();
  }

  private schedule(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW_HEIGHT) - SPARE);
    const wanted = Math.ceil(this.scroller.clientHeight / ROW_HEIGHT) + 2 * SPARE;
    const last = Math.min(this.items.length, first + wanted);
    while (this.slots.length < wanted) this.slots.push(this.makeSlot());
    // Row i always lives in slot i mod n, so that scrolling by one row rewrites one element.
    const used = new Set<number>();
    for (let i = first; i < last; ++i) {
      const at = i % this.slots.length;
      used.add(at);
      const slot = this.slots[at];
      if (slot) this.fill(slot, i);
    }
    this.slots.forEach((slot, at) => {
      if (used.has(at)) return;
      slot.index = -1;
      slot.element.hidden = true;
    });
    if (last >= this.items.length - AHEAD) this.nearEnd();
  }

  private makeSlot(): Slot {
    const cells = this.columns.map(({ number }) => h("span", { role: "gridcell", class: number && "number" }));
    const element = h("div", { class: "row", role: "row" }, ...cells);
    this.canvas.append(element);
    return { element, cells, index: -1 };
  }

  private fill(slot: Slot, index: number): void {
    const chosen = index === this.chosen;
    slot.element.classList.toggle("chosen", chosen);
    slot.element.id = chosen ? "chosen-row" : "";
    if (chosen) this.scroller.setAttribute("aria-activedescendant", "chosen-row");
    if (slot.index === index) return;
    const item = this.items[index];
    if (item === undefined) return;
    slot.index = index;
    slot.element.hidden = false;
    slot.element.style.setProperty("transform", `translateY(${index * ROW_HEIGHT}px)`);
    slot.element.setAttribute("aria-rowindex", String(index + 2));
    this.columns.forEach(({ text, kind, number }, i) => {
      const cell = slot.cells[i];
      if (!cell) return;
      cell.textContent = text(item);
      if (kind) cell.className = `${number ? "number " : ""}${kind(item)}`;
    });
  }

  private click(event: Event): void {
    const row = (event.target as Element).closest(".row");
    const slot = this.slots.find(({ element }) => element === row);
    if (!slot || slot.index < 0) return;
    this.choose(slot.index);
    this.openChosen();
  }

  private openChosen(): void {
    const item = this.items[this.chosen];
    if (item !== undefined) this.open(item);
  }

  private walk(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW_HEIGHT) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.items.length, End: this.items.length,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.choose(Math.min(Math.max(this.chosen + step, 0), this.items.length - 1));
    } else if (event.key === "Enter") {
      this.openChosen();
    }
  }
}
