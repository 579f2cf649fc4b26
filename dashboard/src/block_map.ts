// The arena as a picture: every block a cell, by tenant and state; and the same as a table.

import { h, setText } from "./dom";
import { count } from "./format";
import type { ServerState, State, TenantState } from "./live";
import { colour, onTheme, tenantColour } from "./theme";

const STATES = ["live", "idle", "pinned"] as const;
type BlockState = (typeof STATES)[number];
const WORDS: Record<BlockState, string> = {
  live: "in use by an answer",
  idle: "kept for whoever asks again",
  pinned: "pinned",
};

const HEIGHT = 264;
const LARGEST = 16;

/** What the cells show: 0 for free, else 1 + 3 * tenant + state, as the feed has it. */
function cellsOf(state: State): Uint16Array {
  const { server } = state;
  if (server) {
    const cells = new Uint16Array(Math.ceil(server.blocks / server.map_blocks));
    let at = 0;
    for (let i = 0; i + 1 < server.map.length; i += 2) {
      const pieces = server.map[i] ?? 0;
      cells.fill(server.map[i + 1] ?? 0, at, at + pieces);
      at += pieces;
    }
    return cells;
  }
  // A tenant is not told where its blocks lie, which would tell of its neighbours: only how many.
  const own = state.tenants[0];
  if (!own) return new Uint16Array(0);
  const { live_blocks, idle_blocks, pinned_blocks } = own.tiers.ram;
  const used = live_blocks + idle_blocks + pinned_blocks;
  const limit = own.limit_bytes === null ? used : Math.floor(own.limit_bytes / state.block_bytes);
  const cells = new Uint16Array(Math.max(used, limit));
  cells.fill(1, 0, live_blocks);
  cells.fill(3, live_blocks, live_blocks + pinned_blocks);
  cells.fill(2, live_blocks + pinned_blocks, used);
  return cells;
}

export class BlockMap {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { role: "img", class: "block-map" });
  private readonly hint = h("p", { class: "hint", "aria-hidden": "true" });
  private readonly table = h("table", { class: "figures" });
  private cells: Uint16Array = new Uint16Array(0);
  private state: State | undefined;
  private columns = 1;
  private size = 1;
  private readonly resize = new ResizeObserver(() => this.draw());
  private readonly unsubscribe: () => void;
  private rows = "";

  constructor() {
    this.element = h(
      "div",
      { class: "map-and-table" },
      h("div", { class: "map" }, this.canvas, this.hint),
      h("div", { class: "beside" }, this.table),
    );
    this.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.canvas.addEventListener("mouseleave", () => this.explain());
    this.resize.observe(this.canvas);
    this.unsubscribe = onTheme(() => this.draw());
  }

  update(state: State): void {
    this.state = state;
    this.cells = cellsOf(state);
    this.draw();
    this.tell(state);
  }

  destroy(): void {
    this.resize.disconnect();
    this.unsubscribe();
  }

  private draw(): void {
    const width = this.canvas.clientWidth;
    if (width === 0) return;
    const total = Math.max(1, this.cells.length);
    this.size = LARGEST;
    while (this.size > 1) {
      const rows = Math.ceil(total / Math.max(1, Math.floor(width / this.size)));
      if (rows * this.size <= HEIGHT) break;
      this.size -= this.size > 4 ? 1 : 0.5;
    }
    this.columns = Math.max(1, Math.floor(width / this.size));
    const height = Math.max(this.size, Math.ceil(total / this.columns) * this.size);
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.setProperty("height", `${height}px`);
    const pen = this.canvas.getContext("2d");
    if (!pen) return;
    pen.scale(ratio, ratio);
    this.paint(pen);
  }

  private paint(pen: CanvasRenderingContext2D): void {
    const gap = this.size >= 4 ? 1 : 0;
    const side = this.size - gap;
    const free = colour("--free");
    const mark = colour("--paper");
    const colours = new Map<number, string>();
    this.cells.forEach((code, i) => {
      const x = (i % this.columns) * this.size;
      const y = Math.floor(i / this.columns) * this.size;
      const kind = (code - 1) % 3;
      let fill = code === 0 ? free : colours.get(code);
      if (fill === undefined) {
        fill = colour(tenantColour(Math.floor((code - 1) / 3))) + (kind === 1 ? "66" : "");
        colours.set(code, fill);
      }
      pen.fillStyle = fill;
      pen.fillRect(x, y, side, side);
      if (code !== 0 && kind === 2 && side >= 3) {
        const dot = Math.max(1, Math.round(side / 3));
        pen.fillStyle = mark;
        pen.fillRect(x + (side - dot) / 2, y + (side - dot) / 2, dot, dot);
      }
    });
  }

  private point(event: MouseEvent): void {
    const column = Math.floor(event.offsetX / this.size);
    const cell = Math.floor(event.offsetY / this.size) * this.columns + column;
    const code = this.cells[cell];
    if (code === undefined || column >= this.columns || !this.state) return this.explain();
    const many = this.state.server?.map_blocks ?? 1;
    const where = many === 1 ? `Block ${count(cell)}` : `Blocks ${count(cell * many)} and on`;
    if (code === 0) return setText(this.hint, `${where}: free`);
    const tenant = this.state.tenants[Math.floor((code - 1) / 3)]?.tenant ?? "";
    setText(this.hint, `${where}: ${WORDS[STATES[(code - 1) % 3] ?? "live"]}, ${tenant}`);
  }

  private explain(): void {
    const { state } = this;
    if (!state) return;
    const many = state.server?.map_blocks ?? 1;
    const cell = many === 1 ? "block" : `${count(many)} blocks`;
    setText(this.hint, `A cell is a ${cell} of ${state.block_tokens} tokens.`);
  }

  /** The textual alternative, which is the legend too. */
  private tell(state: State): void {
    if (this.hint.textContent === "") this.explain();
    const { server } = state;
    this.canvas.setAttribute("aria-label", summary(state, server));
    const held = state.tenants.filter(({ tiers: { ram } }) =>
      ram.live_blocks + ram.idle_blocks + ram.pinned_blocks > 0 || state.tenants.length === 1);
    const rows = JSON.stringify([held.map(({ tenant, tiers }) => [tenant, tiers.ram]), server?.free_blocks]);
    if (rows === this.rows) return;
    this.rows = rows;
    this.table.replaceChildren(
      h("caption", {}, "Blocks"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Tenant"),
        stateHead("In use", ""), stateHead("Kept", "idle"), stateHead("Pinned", "pinned"))),
      h("tbody", {}, ...held.map((one) => row(one, state.tenants.indexOf(one)))),
      server && h("tfoot", {}, h("tr", {},
        h("th", { scope: "row" }, h("span", { class: "swatch free" }), "free"),
        h("td", { colspan: "3" }, `${count(server.free_blocks)} of ${count(server.blocks)}`))) || "",
    );
  }
}

function stateHead(text: string, kind: string): HTMLElement {
  return h("th", { scope: "col", class: "number" }, h("span", { class: `swatch plain ${kind}` }), text);
}

function row({ tenant, tiers: { ram } }: TenantState, index: number): HTMLElement {
  const swatch = h("span", { class: "swatch" });
  swatch.style.setProperty("--swatch", `var(${tenantColour(index)})`);
  const cell = (value: number) => h("td", { class: "number" }, count(value));
  return h("tr", {}, h("th", { scope: "row" }, swatch, tenant),
    cell(ram.live_blocks), cell(ram.idle_blocks), cell(ram.pinned_blocks));
}

function summary(state: State, server: ServerState | undefined): string {
  if (!server) {
    const own = state.tenants[0]?.tiers.ram;
    if (!own) return "Block map: no blocks yet";
    return `Block map: ${count(own.live_blocks)} blocks in use, ${count(own.idle_blocks)} kept, ${count(own.pinned_blocks)} pinned`;
  }
  return `Block map of ${count(server.blocks)} blocks: ${count(server.live_blocks)} in use, ` +
    `${count(server.idle_blocks)} kept, ${count(server.pinned_blocks)} pinned, ` +
    `${count(server.free_blocks)} free; the table beside it says whose`;
}
