// Tenants: what each of them holds and has asked for.

import { h, panel, setText, setVar } from "../dom";
import { bytes, count, percent, short } from "../format";
import { live, type TenantState, type Tokens } from "../live";
import type { Page } from "../page";
import { tenantColour } from "../theme";

const COLUMNS = ["Memory", "Held", "Guaranteed", "At most", "On disk", "Generated", "now", "Computed", "now",
  "Found", "now", "Found of read"];

const found = ({ ram, disk, remote }: Tokens): number => ram + disk + remote;
const counted = (tokens: number): string => (tokens < 1e4 ? count(tokens) : short(tokens));
const rate = (value: number | undefined): string =>
  value !== undefined && value > 0 ? `${short(value)}/s` : "";

class Row {
  readonly element: HTMLElement;
  private readonly bar = h("div", { class: "bar memory", role: "img" });
  private readonly parts = ["live", "pinned", "idle", "room"].map((kind) => h("span", { class: `part ${kind}` }));
  private readonly cells = COLUMNS.slice(1).map(() => h("td", { class: "number" }));

  constructor(name: string, index: number) {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", `var(${tenantColour(index)})`);
    this.bar.style.setProperty("--whose", `var(${tenantColour(index)})`);
    this.bar.append(...this.parts);
    this.element = h("tr", {}, h("th", { scope: "row" }, swatch, name), h("td", {}, this.bar), ...this.cells);
  }

  /** `scale`: what the whole width of the bar stands for. */
  update(one: TenantState, scale: number): void {
    const { ram, disk } = one.tiers;
    const held = ram.live_bytes + ram.pinned_bytes + ram.idle_bytes;
    const room = Math.max(0, scale - held);
    [ram.live_bytes, ram.pinned_bytes, ram.idle_bytes, room].forEach((part, i) => {
      const element = this.parts[i];
      if (element) setVar(element, "flex-grow", String(part));
    });
    this.bar.setAttribute("aria-label", `${bytes(ram.live_bytes)} in use, ${bytes(ram.pinned_bytes)} pinned, ` +
      `${bytes(ram.idle_bytes)} kept`);
    const last = live.points[live.points.length - 1]?.tenants.get(one.tenant);
    const { tokens } = one;
    const texts = [bytes(held), one.guaranteed_bytes > 0 ? bytes(one.guaranteed_bytes) : "–",
      one.limit_bytes === null ? "no limit" : bytes(one.limit_bytes), bytes(disk.bytes),
      counted(tokens.generated), rate(last?.generated), counted(tokens.computed), rate(last?.computed),
      counted(found(tokens)), rate(last?.found), percent(found(tokens), found(tokens) + tokens.computed)];
    texts.forEach((text, i) => setText(this.cells[i] as HTMLElement, text));
  }
}

class Tenants {
  readonly element: HTMLElement;
  private readonly body = h("tbody");
  private readonly rows = new Map<string, Row>();
  private readonly unsubscribe = live.subscribe(() => this.update());

  constructor() {
    const table = h("table", { class: "figures" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Tenant"),
        ...COLUMNS.map((name, i) => h("th", { scope: "col", class: i > 0 && "number" }, name)))),
      this.body);
    this.element = panel("What each holds", "What one tenant has read no other finds, and what is guaranteed to it no other " +
      "evicts. Tokens are counted since the server began, and beside them what this moment adds; those found were taken " +
      "from memory or disk instead of being computed.",
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tenants" }, table));
    this.update();
  }

  leave(): void {
    this.unsubscribe();
  }

  private update(): void {
    const { state } = live;
    if (!state || !this.body) return;
    const largest = state.server ? state.server.blocks * state.block_bytes : 0;
    state.tenants.forEach((one, i) => {
      let row = this.rows.get(one.tenant);
      if (!row) {
        row = new Row(one.tenant, i);
        this.rows.set(one.tenant, row);
        this.body.append(row.element);
      }
      const { ram } = one.tiers;
      const held = ram.live_bytes + ram.pinned_bytes + ram.idle_bytes;
      row.update(one, Math.max(largest || (one.limit_bytes ?? held), 1));
    });
    for (const [name, row] of this.rows) {
      if (state.tenants.some(({ tenant }) => tenant === name)) continue;
      row.element.remove();
      this.rows.delete(name);
    }
  }
}

export function tenantsPage(): Page {
  const page = new Tenants();
  return { element: page.element, leave: () => page.leave() };
}
