// Now: where memory and time go at this moment.

import { BlockMap } from "../block_map";
import { Chart, type ChartOptions } from "../chart";
import { h, panel, setText, setVar } from "../dom";
import { bytes, count, milliseconds, percent, plural, seconds, short } from "../format";
import { live, type Phase, type Point, type State, type StreamState } from "../live";
import type { Page } from "../page";

const PHASES: Record<Phase, string> = {
  disk: "reading from disk",
  queued: "waiting",
  prefill: "reading the prompt",
  decode: "answering",
};

const perSecond = (value: number): string => (Number.isFinite(value) ? `${short(value)}/s` : "–");

function charts(admin: boolean): ChartOptions[] {
  const rates: ChartOptions = {
    title: "Tokens per second",
    lines: [
      { label: "generated", colour: "--generated", value: (p) => p.generated, fill: true },
      { label: "computed", colour: "--computed", value: (p) => p.computed },
      { label: "found", colour: "--found", value: (p) => p.found },
    ],
    format: perSecond,
    axis: short,
    minTop: 10,
  };
  const memory: ChartOptions = {
    title: "KV memory",
    lines: [
      { label: "kept", colour: "--kept", value: (p) => p.idleBytes },
      { label: "pinned", colour: "--pinned", value: (p) => p.pinnedBytes },
      { label: "in use", colour: "--generated", value: (p) => p.liveBytes },
    ],
    format: bytes,
    stacked: true,
    binary: true,
    minTop: 1 << 20,
  };
  const queue: ChartOptions = {
    title: "Answers",
    lines: [
      { label: "running", colour: "--generated", value: (p) => p.running, fill: true },
      { label: "waiting", colour: "--computed", value: (p) => p.waiting },
    ],
    format: count,
    minTop: 4,
    whole: true,
  };
  if (!admin) return [rates, memory, queue];
  const steps: ChartOptions = {
    title: "Time",
    lines: [
      { label: "a step", colour: "--generated", value: (p) => p.stepMs },
      { label: "to first token", colour: "--computed", value: (p) => p.firstTokenMs },
    ],
    format: milliseconds,
    minTop: 10,
  };
  return [rates, memory, queue, steps];
}

interface Fact {
  label: string;
  value: (state: State, point: Point) => string;
}

const SERVER_FACTS: Fact[] = [
  { label: "Running", value: ({ server }) => count(server?.running ?? 0) },
  { label: "Waiting", value: ({ server }) => count(server?.waiting ?? 0) },
  { label: "Generated", value: (_, p) => perSecond(p.generated) },
  { label: "Computed", value: (_, p) => perSecond(p.computed) },
  { label: "Found", value: (_, p) => perSecond(p.found) },
  { label: "Step", value: (_, p) => milliseconds(p.stepMs) },
  { label: "Tokens a step", value: (_, p) => short(p.stepTokens) },
  { label: "Found so far", value: ({ server }) => share(server?.tokens) },
  { label: "Memory used", value: ({ server: s }) => (s ? percent(s.live_blocks + s.pinned_blocks, s.blocks) : "–") },
  { label: "Evicted", value: (_, p) => perSecond(p.evicted) },
  { label: "Preempted", value: ({ server }) => count(server?.preemptions ?? 0) },
  { label: "Refused", value: ({ server }) => count(server?.rejections ?? 0) },
];

const TENANT_FACTS: Fact[] = [
  { label: "Running", value: (_, p) => count(p.running) },
  { label: "Waiting", value: (_, p) => count(p.waiting) },
  { label: "Generated", value: (_, p) => perSecond(p.generated) },
  { label: "Computed", value: (_, p) => perSecond(p.computed) },
  { label: "Found", value: (_, p) => perSecond(p.found) },
  { label: "Found so far", value: ({ tenants }) => share(tenants[0]?.tokens) },
];

function share(tokens?: { ram: number; disk: number; remote: number; computed: number }): string {
  if (!tokens) return "–";
  const found = tokens.ram + tokens.disk + tokens.remote;
  return percent(found, found + tokens.computed);
}

class Streams {
  readonly element: HTMLElement;
  private readonly body = h("tbody");
  private readonly empty = h("p", { class: "empty" }, "Nothing runs and nobody waits.");
  private readonly table: HTMLElement;
  private readonly rows = new Map<number, Row>();
  private readonly more = h("p", { class: "about" });

  constructor(admin: boolean) {
    const head = (text: string, number = false) =>
      h("th", { scope: "col", class: number && "number" }, text);
    this.table = h("table", { class: "streams" },
      h("thead", {}, h("tr", {}, head("Request", true), admin && head("Tenant"), head("Phase"),
        head("Prompt and answer"), head("Tokens", true), head("Blocks", true), head("Age", true))),
      this.body);
    this.element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Requests that run or wait" },
      this.table, this.empty, this.more);
  }

  update(state: State): void {
    const seen = new Set<number>();
    for (const one of state.requests) {
      seen.add(one.id);
      let row = this.rows.get(one.id);
      if (!row) {
        row = new Row(state.admin);
        this.rows.set(one.id, row);
        this.body.append(row.element);
      }
      row.update(one);
    }
    for (const [id, row] of this.rows) {
      if (seen.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    this.empty.hidden = seen.size > 0;
    this.table.hidden = seen.size === 0;
    const left = state.requests_left_out ?? 0;
    setText(this.more, left > 0 ? `and ${plural(left, "request")} more` : "");
  }
}

class Row {
  readonly element: HTMLElement;
  private readonly id = h("th", { scope: "row", class: "number" });
  private readonly tenant = h("td");
  private readonly phase = h("td");
  private readonly bar = h("div", { class: "bar", role: "img" });
  private readonly tokens = h("td", { class: "number" });
  private readonly blocks = h("td", { class: "number" });
  private readonly age = h("td", { class: "number" });
  private readonly parts = ["found", "computed", "unread", "generated"].map((kind) =>
    h("span", { class: `part ${kind}` }));

  constructor(admin: boolean) {
    this.bar.append(...this.parts);
    this.element = h("tr", {}, this.id, admin && this.tenant, this.phase, h("td", {}, this.bar),
      this.tokens, this.blocks, this.age);
  }

  update(one: StreamState): void {
    setText(this.id, String(one.id));
    setText(this.tenant, one.tenant);
    setText(this.phase, PHASES[one.phase] + (one.preemptions > 0 ? ` (preempted ${one.preemptions}×)` : ""));
    this.element.dataset["phase"] = one.phase;
    const found = Math.min(one.cached_tokens, one.computed_tokens);
    const computed = one.computed_tokens - found;
    const unread = one.prompt_tokens - one.computed_tokens;
    [found, computed, unread, one.generated_tokens].forEach((part, i) => {
      const element = this.parts[i];
      if (element) setVar(element, "flex-grow", String(part));
    });
    this.bar.setAttribute("aria-label", `prompt: ${plural(found, "token")} found, ${count(computed)} computed, ` +
      `${count(unread)} to read; ${count(one.generated_tokens)} generated`);
    setText(this.tokens, `${count(one.prompt_tokens)} + ${count(one.generated_tokens)}`);
    setText(this.blocks, count(one.blocks));
    setText(this.age, seconds(one.age_seconds));
  }
}

class Tiers {
  readonly element = h("table", { class: "figures tiers" });
  private readonly cells = new Map<string, HTMLElement>();

  constructor(admin: boolean) {
    const head = (text: string) => h("th", { scope: "col", class: "number" }, text);
    const body = h("tbody");
    for (const tier of ["RAM", "Disk"]) {
      const row = h("tr", {}, h("th", { scope: "row" }, tier));
      for (const column of admin ? ["held", "room", "read", "write"] : ["held"]) {
        const cell = h("td", { class: "number" });
        this.cells.set(`${tier} ${column}`, cell);
        row.append(cell);
      }
      body.append(row);
    }
    this.element.append(
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Tier"), head("Held"),
        admin && head("Room"), admin && head("Read"), admin && head("Written"))),
      body);
  }

  update(state: State, point: Point): void {
    const put = (cell: string, text: string) => {
      const place = this.cells.get(cell);
      if (place) setText(place, text);
    };
    put("RAM held", bytes(point.liveBytes + point.pinnedBytes + point.idleBytes));
    const { server } = state;
    const disk = server?.disk.bytes ?? state.tenants.reduce((sum, { tiers }) => sum + tiers.disk.bytes, 0);
    put("Disk held", bytes(disk));
    if (!server) return;
    put("RAM room", bytes(server.blocks * state.block_bytes));
    put("RAM read", "–");
    put("RAM write", "–");
    put("Disk room", server.disk.limit_bytes > 0 ? bytes(server.disk.limit_bytes) : "none");
    put("Disk read", rateOf(point.diskReadBytes));
    put("Disk write", rateOf(point.diskWriteBytes));
  }
}

const rateOf = (value: number): string => (Number.isFinite(value) ? `${bytes(value)}/s` : "–");

class Now {
  readonly element = h("div", { class: "now" }, h("p", { class: "empty" }, "Waiting for the server …"));
  private parts: { map: BlockMap; charts: Chart[]; streams: Streams; tiers: Tiers } | undefined;
  private readonly facts: { element: HTMLElement; fact: Fact }[] = [];
  private readonly unsubscribe = live.subscribe(() => this.update());

  leave(): void {
    this.unsubscribe();
    this.parts?.map.destroy();
    this.parts?.charts.forEach((chart) => chart.destroy());
  }

  private build(state: State): NonNullable<Now["parts"]> {
    const parts = {
      map: new BlockMap(),
      charts: charts(state.admin).map((options) => new Chart(options)),
      streams: new Streams(state.admin),
      tiers: new Tiers(state.admin),
    };
    const strip = h("dl", { class: "facts" });
    for (const fact of state.admin ? SERVER_FACTS : TENANT_FACTS) {
      const element = h("dd", {}, "–");
      this.facts.push({ element, fact });
      strip.append(h("div", {}, h("dt", {}, fact.label), element));
    }
    const whose = state.admin ? "" : " Only your tenant's are shown.";
    this.element.replaceChildren(
      strip,
      panel("KV memory", "What the model has read lies here, in blocks, so that nobody reads it twice: solid while an " +
        `answer uses it, pale while it is kept for whoever asks again.${whose}`, parts.map.element),
      h("section", { class: "panel", "aria-label": "Over time" },
        h("div", { class: "charts" }, ...parts.charts.map(({ element }) => element))),
      panel("Requests", "Each reads its prompt, part of which is found in memory, then answers token by token.",
        bars(), parts.streams.element),
      panel("Tiers", "Blocks are written behind to the disk, and outlive memory and process there.", parts.tiers.element),
    );
    return parts;
  }

  private update(): void {
    const { state, points } = live;
    const point = points[points.length - 1];
    if (!state || !point) return;
    this.parts ??= this.build(state);
    for (const { element, fact } of this.facts) setText(element, fact.value(state, point));
    this.parts.map.update(state);
    this.parts.charts.forEach((chart) => chart.update(points));
    this.parts.streams.update(state);
    this.parts.tiers.update(state, point);
  }
}

function bars(): HTMLElement {
  const part = (kind: string, text: string) =>
    h("li", {}, h("span", { class: `swatch part ${kind}`, "aria-hidden": "true" }), text);
  return h("ul", { class: "legend-line" }, part("found", "found"), part("computed", "computed"),
    part("unread", "to be read"), part("generated", "generated"));
}

export function nowPage(): Page {
  const page = new Now();
  return { element: page.element, leave: () => page.leave() };
}
