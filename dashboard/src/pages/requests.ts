// Requests: the ledger, and of each request where its time went and why it had to read what it read.

import { ApiError, getJson } from "../api";
import { h, setText } from "../dom";
import { bytes, count, date, milliseconds, percent, plural, seconds, short } from "../format";
import { live } from "../live";
import type { Page } from "../page";
import { VirtualList, type Column } from "../virtual_list";

interface LedgerRow {
  id: number;
  request_id: string;
  tenant: string;
  started_ms: number;
  api: string;
  model: string;
  numerics: string;
  route: string;
  version: string;
  retry_of: string;
  outcome: string;
  verdict: string;
  status: number;
  stream: boolean;
  choices: number;
  preemptions: number;
  tokens: { prompt: number; ram: number; disk: number; remote: number; computed: number; generated: number };
  ms: {
    queue: number;
    onboard: number;
    prefill: number;
    decode: number;
    first_token: number;
    total: number;
    forecast_wait: number;
  };
  kv: { peak_blocks: number; used_bytes: number; forecast_bytes: number; byte_seconds: number };
  missed: { blocks: number; by_reason: Record<string, number>; evicted_ago_ms: number | null };
  label: string | null;
  score: number | null;
}

interface LedgerPage {
  rows: LedgerRow[];
  next: number | null;
  lost: number;
}

const FIRST_PAGE = 1000;
const PAGE = 250; // what is read between two frames
const MOST_ROWS = 50_000;
const REFRESH_MS = 2000;

const REASONS: Record<string, string> = {
  never_seen: "never seen before",
  evicted_own: "evicted for this tenant’s own requests",
  evicted_outside: "evicted under pressure from outside",
  other_salt: "known under another cache_salt only",
  other_format: "known in another KV format or of another model only",
  purged: "purged",
  tier_failed: "a tier had it and did not give it",
  tier_busy: "a tier had it, but there was no memory to read it into in time",
  corrupt: "a tier had it damaged",
  break_even: "on disk, but computing was faster",
  not_asked: "the request asked for no look-up",
};

const foundOf = ({ tokens: { ram, disk, remote } }: LedgerRow): number => ram + disk + remote;

function columns(admin: boolean): Column<LedgerRow>[] {
  const all: (Column<LedgerRow> | false)[] = [
    { title: "Began", width: "9.5rem", text: ({ started_ms }) => date(started_ms) },
    admin && { title: "Tenant", width: "minmax(5rem, 6.5rem)", text: ({ tenant }) => tenant },
    { title: "API", width: "5.8rem", text: ({ api }) => api },
    { title: "Route", width: "minmax(5rem, 1fr)", text: ({ route, version }) => [route, version].filter(Boolean).join(" @ ") },
    { title: "Outcome", width: "minmax(9rem, 1.2fr)", text: ({ outcome, verdict }) => [outcome, verdict].filter(Boolean).join(": "),
      kind: ({ outcome }) => `outcome ${outcome === "finished" || outcome === "length" ? "fine" : "not-fine"}` },
    { title: "Prompt", width: "4.5rem", number: true, text: ({ tokens }) => count(tokens.prompt) },
    { title: "Found", width: "4rem", number: true, text: (row) => percent(foundOf(row), row.tokens.prompt) },
    { title: "Generated", width: "5rem", number: true, text: ({ tokens }) => count(tokens.generated) },
    { title: "Waited", width: "5rem", number: true, text: ({ ms }) => milliseconds(ms.queue) },
    { title: "First token", width: "5.5rem", number: true, text: ({ ms }) => milliseconds(ms.first_token) },
    { title: "Total", width: "5rem", number: true, text: ({ ms }) => milliseconds(ms.total) },
    { title: "KV × time", width: "6.5rem", number: true, text: ({ kv }) => `${bytes(kv.byte_seconds)}·s` },
  ];
  return all.filter((column) => column !== false);
}

/** Where the time of a request went, as bars one after the other. */
function waterfall(row: LedgerRow): HTMLElement {
  const { queue, onboard, prefill, decode, total } = row.ms;
  const parts: [string, string, number][] = [
    ["waited", "unread", queue],
    ["read from disk", "onboard", onboard],
    ["read the prompt", "computed", prefill],
    ["generated", "generated", decode],
  ];
  const whole = Math.max(total, queue + onboard + prefill + decode, 0.001);
  const table = h("table", { class: "waterfall" }, h("caption", {}, `${milliseconds(total)} in all`));
  let at = 0;
  for (const [name, kind, value] of parts) {
    const bar = h("div", { class: `piece-of-time ${kind}` });
    bar.style.setProperty("--from", `${(100 * at) / whole}%`);
    bar.style.setProperty("--size", `${(100 * value) / whole}%`);
    at += value;
    table.append(h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "lane" }, bar),
      h("td", { class: "number" }, milliseconds(value))));
  }
  return table;
}

function misses({ missed }: LedgerRow): HTMLElement {
  if (missed.blocks === 0) return h("p", {}, "Nothing was missed: every full block of the prompt was found, or it had none.");
  const list = h("ul");
  for (const [reason, blocks] of Object.entries(missed.by_reason).sort((a, b) => b[1] - a[1])) {
    const ago = reason.startsWith("evicted") && missed.evicted_ago_ms !== null
      ? `, the last of them ${seconds(missed.evicted_ago_ms / 1000)} before` : "";
    list.append(h("li", {}, `${plural(blocks, "block")}: ${REASONS[reason] ?? reason}${ago}`));
  }
  return list;
}

function facts(row: LedgerRow): HTMLElement {
  const rows: [string, string][] = [
    ["request", row.request_id], ["tenant", row.tenant], ["model", row.model], ["numerics", row.numerics],
    ["route", row.route || "–"], ["version", row.version || "–"], ["repeats", row.retry_of || "–"],
    ["status", row.status === 0 ? "none sent" : String(row.status)],
    ["outcome", [row.outcome, row.verdict].filter(Boolean).join(": ")],
    ["judged", row.label === null && row.score === null ? "–" : [row.label, row.score].filter((part) => part !== null).join(", ")],
    ["found in memory", plural(row.tokens.ram, "token")], ["found on disk", plural(row.tokens.disk, "token")],
    ["computed", plural(row.tokens.computed, "token")], ["generated", plural(row.tokens.generated, "token")],
    ["wait forecast", milliseconds(row.ms.forecast_wait)], ["preempted", `${row.preemptions}×`],
    ["blocks at most", count(row.kv.peak_blocks)], ["memory at most", bytes(row.kv.used_bytes)],
    ["memory forecast", bytes(row.kv.forecast_bytes)], ["memory × time", `${short(row.kv.byte_seconds / 2 ** 20)} MiB·s`],
  ];
  return h("dl", { class: "receipt" }, ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

class Requests {
  readonly element: HTMLElement;
  private list: VirtualList<LedgerRow> | undefined;
  private rows: LedgerRow[] = [];
  private next: number | null = null;
  /** What the list was asked for; the fields may be ahead of it. */
  private wanted = new URLSearchParams();
  private loading = false;
  private timer = 0;
  private readonly abort = new AbortController();
  private readonly place = h("div");
  private readonly told = h("p", { class: "about", role: "status" });
  private readonly problem = h("p", { class: "problem", role: "alert" });
  private readonly details = h("section", { class: "panel details", "aria-label": "The chosen request", hidden: true, tabindex: "-1" });
  private readonly filters: Record<string, HTMLInputElement | HTMLSelectElement> = {
    request_id: h("input", { id: "filter-request", type: "search" }),
    route: h("input", { id: "filter-route", type: "search" }),
    version: h("input", { id: "filter-version", type: "search" }),
    outcome: h("select", { id: "filter-outcome" },
      ...["", "finished", "length", "cancelled", "refused", "error"].map((value) => h("option", { value }, value || "any"))),
  };

  constructor() {
    const form = h("form", { class: "tools", role: "search" },
      ...this.field("request_id", "Request"), ...this.field("route", "Route"), ...this.field("version", "Version"),
      ...this.field("outcome", "Outcome"), h("button", { type: "submit" }, "Show"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.reload();
    });
    this.element = h("div", { class: "stack" },
      h("section", { class: "panel", "aria-label": "Ledger" },
        h("p", { class: "about" }, "One row a request, newest first: what it asked for, what of its prompt was found, where its time went, what memory it took."),
        form, this.problem, this.told, this.place),
      this.details);
    void this.reload();
  }

  leave(): void {
    this.abort.abort();
    clearTimeout(this.timer);
    this.list?.destroy();
  }

  private field(name: string, label: string): HTMLElement[] {
    const input = this.filters[name];
    return input ? [h("label", { for: input.id }, label), input] : [];
  }

  private filtered(): URLSearchParams {
    const query = new URLSearchParams();
    for (const [name, input] of Object.entries(this.filters)) {
      if (input.value !== "") query.set(name, input.value);
    }
    return query;
  }

  private query(limit: number, before: number | null): string {
    const query = new URLSearchParams(this.wanted);
    query.set("limit", String(limit));
    if (before !== null) query.set("before", String(before));
    return `v1/ledger?${query}`;
  }

  private async reload(): Promise<void> {
    clearTimeout(this.timer);
    const wanted = (this.wanted = this.filtered());
    const page = await this.get(FIRST_PAGE, null);
    if (this.wanted !== wanted || this.abort.signal.aborted) return;
    if (!page) return this.watch();
    this.list ??= this.makeList();
    this.rows = page.rows;
    this.next = page.next;
    this.list.set(this.rows);
    this.tell(page.lost);
    this.watch();
  }

  private makeList(): VirtualList<LedgerRow> {
    const list = new VirtualList<LedgerRow>(columns(live.state?.admin ?? true), "Requests, newest first",
      (row) => this.open(row), () => void this.more());
    this.place.replaceChildren(list.element);
    return list;
  }

  private watch(): void {
    this.timer = window.setTimeout(() => void this.refresh(), REFRESH_MS);
  }

  private async refresh(): Promise<void> {
    if (!this.list) return this.reload();
    const wanted = this.wanted;
    const page = await this.get(100, null);
    if (this.wanted !== wanted || this.abort.signal.aborted) return;
    if (!page) return this.watch();
    const newest = this.rows[0]?.id ?? 0;
    const fresh = page.rows.filter(({ id }) => id > newest);
    const gone = (page.rows[0]?.id ?? 0) < newest;
    if (newest > 0 && (gone || fresh.length === 100)) return this.reload();
    if (fresh.length > 0) {
      this.rows = [...fresh, ...this.rows];
      this.list?.set(this.rows, fresh.length);
    }
    this.tell(page.lost);
    this.watch();
  }

  private async more(): Promise<void> {
    if (this.next === null || this.loading || this.rows.length >= MOST_ROWS) return;
    this.loading = true;
    const wanted = this.wanted;
    const page = await this.get(PAGE, this.next);
    this.loading = false;
    if (!page || this.wanted !== wanted) return;
    this.next = page.next;
    this.rows = [...this.rows, ...page.rows];
    this.list?.set(this.rows);
    this.tell(page.lost);
  }

  private async get(limit: number, before: number | null): Promise<LedgerPage | undefined> {
    try {
      const page = await getJson<LedgerPage>(this.query(limit, before), this.abort.signal);
      setText(this.problem, "");
      return page;
    } catch (error) {
      if (this.abort.signal.aborted) return undefined;
      setText(this.problem, error instanceof ApiError ? error.message : String(error));
      return undefined;
    }
  }

  private tell(lost: number): void {
    const many = `${plural(this.rows.length, "request")}${this.next === null ? "" : ", and more below"}`;
    setText(this.told, lost > 0 ? `${many}; ${plural(lost, "row")} could not be written` : many);
  }

  private open(row: LedgerRow): void {
    this.details.hidden = false;
    this.details.replaceChildren(
      h("h2", {}, `Request ${row.request_id}`),
      h("div", { class: "details-of" }, h("div", {}, h("h3", {}, "Where its time went"), waterfall(row),
        h("h3", {}, "Why it had to compute"), misses(row)), facts(row)));
    this.details.scrollIntoView({ block: "nearest" });
  }
}

export function requestsPage(): Page {
  const page = new Requests();
  return { element: page.element, leave: () => page.leave() };
}
