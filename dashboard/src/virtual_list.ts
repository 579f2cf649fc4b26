// Tens of thousands of rows, of which only those in sight are elements.
//
// A grid for assistive technology: it says how many rows there are and which one this is. The arrow
// keys choose a row, Enter opens it.
//
// While it scrolls, every frame words some rows anew, and at 60 a second it has 16 ms for that, of
// which layout and paint take most. So a row is moved and its texts are replaced where they stand,
// nothing is asked of the layout, and only a text that is too long for its column is clipped there:
// a clip costs more than the text in it.

import { h } from "./dom";
import { TextWidth } from "./text_width";

export interface Column {
  title: string;
  at: number; // of its text among Rows.cells
  width: string; // as in grid-template-columns
  number?: boolean;
  long?: boolean; // may be longer than its column
  kind?: (text: string) => string; // a class of the cell
}

/** What is listed; `update` is told of every change. */
export interface Rows {
  readonly length: number;
  key: (index: number) => number; // what a row is known by when others come before it
  cells: (index: number) => string[]; // texts, in the order of Column.at
}

export interface Handlers {
  open: (index: number) => void;
  nearEnd: () => void; // more rows are wanted, if there are
}

export const ROW_HEIGHT = 27;
const SPARE = 6; // rows above and below those in sight
const AHEAD = 1000; // rows below them that are asked for before they are needed

interface Cell {
  element: HTMLElement;
  text: Text;
  style: string; // its class
}

interface Slot {
  element: HTMLElement;
  cells: Cell[];
  index: number; // -1: of no row
  key: number;
}

export class VirtualList {
  readonly element: HTMLElement;
  private readonly scroller = h("div", { class: "rows", tabindex: "0", role: "grid", "aria-readonly": "true" });
  private readonly canvas = h("div", { class: "rows-all", role: "rowgroup" });
  private readonly heads: HTMLElement[];
  private readonly slots: Slot[] = [];
  private chosen = -1;
  private chosenSlot: Slot | undefined;
  private frame = 0;
  private height = 0;
  private widths: number[] = []; // of columns
  private textWidth: TextWidth | undefined;
  private readonly resize = new ResizeObserver(() => this.measure());

  constructor(
    private readonly columns: Column[],
    private readonly rows: Rows,
    label: string,
    private readonly handlers: Handlers,
  ) {
    this.heads = columns.map(({ title, number }) => h("span", { role: "columnheader", class: number && "number" }, title));
    const head = h("div", { class: "row head", role: "row", "aria-rowindex": "1" }, ...this.heads);
    this.element = h("div", { class: "virtual" }, this.scroller);
    this.element.style.setProperty("--columns", columns.map(({ width }) => width).join(" "));
    this.scroller.setAttribute("aria-label", label);
    this.scroller.append(head, this.canvas);
    this.scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.walk(event));
    this.scroller.addEventListener("click", (event) => this.click(event));
    this.resize.observe(this.scroller);
    this.resize.observe(head);
  }

  destroy(): void {
    this.resize.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** Rows have changed; `added`: so many were put before the others, which stay where they are in sight. */
  update(added = 0): void {
    const { length } = this.rows;
    for (const slot of this.slots) {
      if (slot.index >= 0 && this.rows.key(slot.index) !== slot.key) slot.index = -1;
    }
    if (this.chosen >= 0) this.chosen = Math.min(this.chosen + added, length - 1);
    this.scroller.setAttribute("aria-rowcount", String(length + 1));
    this.canvas.style.setProperty("height", `${length * ROW_HEIGHT}px`);
    if (added > 0 && this.scroller.scrollTop > 0) this.scroller.scrollTop += added * ROW_HEIGHT;
    this.schedule();
  }

  choose(index: number): void {
    if (index < 0 || index >= this.rows.length) return;
    this.chosen = index;
    const top = index * ROW_HEIGHT;
    const height = this.height - ROW_HEIGHT; // the head covers a row
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW_HEIGHT > this.scroller.scrollTop + height) this.scroller.scrollTop = top + ROW_HEIGHT - height;
    this.draw();
  }

  private measure(): void {
    this.height = this.scroller.clientHeight;
    this.widths = this.heads.map(({ clientWidth }) => clientWidth);
    this.textWidth = new TextWidth(this.scroller);
    for (const slot of this.slots) {
      slot.index = -1;
      for (const { text } of slot.cells) text.data = ""; // what fits is seen anew
    }
    this.schedule();
  }

  private schedule(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW_HEIGHT) - SPARE);
    const wanted = Math.ceil(this.height / ROW_HEIGHT) + 2 * SPARE;
    const last = Math.min(this.rows.length, first + wanted);
    while (this.slots.length < wanted) this.slots.push(this.makeSlot());
    // Row i always lives in slot i mod n, so that scrolling by one row rewrites one element.
    for (let i = first; i < last; ++i) {
      const slot = this.slots[i % this.slots.length];
      if (slot && slot.index !== i) this.fill(slot, i);
    }
    for (const slot of this.slots) {
      const used = slot.index >= first && slot.index < last;
      if (!used) slot.index = -1;
      if (slot.element.hidden === used) slot.element.hidden = !used;
    }
    this.mark();
    if (last >= this.rows.length - AHEAD) this.handlers.nearEnd();
  }

  private makeSlot(): Slot {
    const cells = this.columns.map(({ number }) => {
      const style = number ? "number" : "";
      const text = document.createTextNode("");
      return { element: h("span", { role: "gridcell", class: style }, text), text, style };
    });
    const element = h("div", { class: "row", role: "row" }, ...cells.map((cell) => cell.element));
    this.canvas.append(element);
    return { element, cells, index: -1, key: -1 };
  }

  private fill(slot: Slot, index: number): void {
    slot.index = index;
    slot.key = this.rows.key(index);
    slot.element.style.setProperty("top", `${index * ROW_HEIGHT}px`);
    slot.element.setAttribute("aria-rowindex", String(index + 2));
    const texts = this.rows.cells(index);
    slot.cells.forEach((cell, i) => {
      const text = texts[this.columns[i]?.at ?? i] ?? "";
      if (cell.text.data === text) return;
      cell.text.data = text;
      const style = this.styleOf(i, text);
      if (cell.style !== style) cell.element.className = cell.style = style;
    });
  }

  private styleOf(at: number, text: string): string {
    const { number, long, kind } = this.columns[at] ?? {};
    const cut = long && (this.textWidth?.of(text) ?? Infinity) > (this.widths[at] ?? 0);
    return [number && "number", kind?.(text), cut && "cut"].filter(Boolean).join(" ");
  }

  /** Says which row is chosen, if it is an element. */
  private mark(): void {
    const slot = this.chosen < 0 ? undefined : this.slots.find(({ index }) => index === this.chosen);
    if (slot === this.chosenSlot) return;
    this.chosenSlot?.element.classList.remove("chosen");
    this.chosenSlot?.element.removeAttribute("id");
    this.chosenSlot = slot;
    slot?.element.classList.add("chosen");
    slot?.element.setAttribute("id", "chosen-row");
    if (slot) this.scroller.setAttribute("aria-activedescendant", "chosen-row");
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  private click(event: Event): void {
    const row = (event.target as Element).closest(".row");
    const slot = this.slots.find(({ element }) => element === row);
    if (!slot || slot.index < 0) return;
    this.choose(slot.index);
    this.openChosen();
  }

  private openChosen(): void {
    if (this.chosen >= 0 && this.chosen < this.rows.length) this.handlers.open(this.chosen);
  }

  private walk(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.height / ROW_HEIGHT) - 1);
    const { length } = this.rows;
    const steps: Record<string, number> = {
      ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -length, End: length,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.choose(Math.min(Math.max(this.chosen + step, 0), length - 1));
    } else if (event.key === "Enter") {
      this.openChosen();
    }
  }
}
