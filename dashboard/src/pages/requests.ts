// Requests: the ledger, and of each request where its time went and why it had to read what it read.

import { ApiError, getJson } from "../api";
import { announce, h, setText } from "../dom";
import { plural } from "../format";
import { columnsOf } from "../ledger/cells";
import { detailsOf } from "../ledger/details";
import { LedgerReader, type PackedPage } from "../ledger/reader";
import type { LedgerPage } from "../ledger/row";
import { LedgerRows } from "../ledger/rows";
import { live } from "../live";
import type { Page } from "../page";
import { VirtualList } from "../virtual_list";

const PAGE = 250;
const NEW_ROWS = 100;
const MOST_ROWS = 50_000;
const REFRESH_MS = 2000;

class Requests {
  readonly element: HTMLElement;
  private list: VirtualList | undefined;
  private readonly rows = new LedgerRows(MOST_ROWS);
  private readonly reader = new LedgerReader();
  /** What the list was asked for; the fields may be ahead of it. */
  private wanted = new URLSearchParams();
  private loading = false;
  private timer = 0;
  private opened = 0;
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
      this.field("request_id", "Request"), this.field("route", "Route"), this.field("version", "Version"),
      this.field("outcome", "Outcome"), h("button", { type: "submit" }, "Show"));
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
    this.reader.stop();
    this.list?.destroy();
  }

  private field(name: string, label: string): HTMLElement | undefined {
    const input = this.filters[name];
    return input && h("span", { class: "labelled" }, h("label", { for: input.id }, label), input);
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
    const page = await this.get(PAGE, null);
    if (this.wanted !== wanted || this.abort.signal.aborted) return;
    if (!page) return this.watch();
    this.list ??= this.makeList();
    this.rows.replace(page);
    this.list.update();
    this.tell(page.lost);
    this.watch();
  }

  private makeList(): VirtualList {
    const list = new VirtualList(columnsOf(live.state?.admin ?? true), this.rows, "Requests, newest first", {
      open: (index) => void this.open(this.rows.key(index)),
      nearEnd: () => void this.more(),
    });
    this.place.replaceChildren(list.element);
    return list;
  }

  private watch(): void {
    this.timer = window.setTimeout(() => void this.refresh(), REFRESH_MS);
  }

  private async refresh(): Promise<void> {
    if (!this.list) return this.reload();
    const wanted = this.wanted;
    const page = await this.get(NEW_ROWS, null);
    if (this.wanted !== wanted || this.abort.signal.aborted) return;
    if (!page) return this.watch();
    const { newest } = this.rows;
    const gone = (page.ids[0] ?? 0) < newest;
    const missed = page.ids.length === NEW_ROWS && page.ids.every((id) => id > newest);
    if (newest > 0 && (gone || missed)) return this.reload();
    const fresh = this.rows.prepend(page);
    if (fresh > 0) this.list.update(fresh);
    this.tell(page.lost);
    this.watch();
  }

  private async more(): Promise<void> {
    if (this.rows.next === null || this.loading || this.rows.full) return;
    this.loading = true;
    const wanted = this.wanted;
    const page = await this.get(PAGE, this.rows.next);
    this.loading = false;
    if (!page || this.wanted !== wanted) return;
    this.rows.append(page);
    this.list?.update();
    this.tell(page.lost);
  }

  private get(limit: number, before: number | null): Promise<PackedPage | undefined> {
    return this.attempt(() => this.reader.read(this.query(limit, before)));
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await work();
      setText(this.problem, "");
      return done;
    } catch (error) {
      if (!this.abort.signal.aborted) setText(this.problem, error instanceof ApiError ? error.message : String(error));
      return undefined;
    }
  }

  private tell(lost: number): void {
    const many = `${plural(this.rows.length, "request")}${this.rows.next === null ? "" : ", and more below"}`;
    setText(this.told, lost > 0 ? `${many}; ${plural(lost, "row")} could not be written` : many);
  }

  /** Asks for the row anew: the list keeps what it shows of it and no more. */
  private async open(id: number): Promise<void> {
    const opened = ++this.opened;
    const page = await this.attempt(() => getJson<LedgerPage>(this.query(1, id + 1), this.abort.signal));
    const row = page?.rows[0];
    if (!page || opened !== this.opened) return;
    this.details.hidden = false;
    this.details.replaceChildren(...(row?.id === id ? detailsOf(row) : [h("p", {}, "This request is in the ledger no more.")]));
    this.details.scrollIntoView({ block: "nearest" });
    announce(row ? `Request ${row.request_id} is shown below the ledger` : "");
  }
}

export function requestsPage(): Page {
  const page = new Requests();
  return { element: page.element, leave: () => page.leave() };
}
