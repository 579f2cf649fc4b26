// Sessions: conversations that the server keeps, and what can be done with them.

import { ApiError, getJson, post, request } from "../api";
import { announce, h, panel, setText, setVar } from "../dom";
import { ago, count, date, plural } from "../format";
import type { Page } from "../page";
import { asTree, branches, type Placed } from "../session_tree";

interface Session {
  id: string;
  created: number;
  last_used: number | null;
  expires: number | null;
  pinned_until: number | null;
  tokens: number;
  messages: number;
  model: string;
  moved_to: string | null;
  forked_from: string | null;
  stream: { window_tokens: number } | null;
}

interface Listed {
  data: Session[];
  has_more?: boolean;
}

const PAGE = 200;
const PIN_SECONDS = 3600;

class Sessions {
  readonly element: HTMLElement;
  private readonly body = h("tbody");
  private readonly empty = h("p", { class: "empty" });
  private readonly problem = h("p", { class: "problem", role: "alert" });
  private readonly more = h("button", { type: "button", hidden: true, onclick: () => void this.load(true) }, "More");
  private readonly search = h("input", { type: "search", id: "session-search" });
  private readonly withKv = h("input", { type: "checkbox", id: "session-kv" });
  private readonly table: HTMLElement;
  private readonly abort = new AbortController();
  private sessions: Session[] = [];

  constructor() {
    const head = (text: string, number = false) => h("th", { scope: "col", class: number && "number" }, text);
    this.table = h("table", {},
      h("thead", {}, h("tr", {}, head("Session"), head("Tokens", true), head("Messages", true), head("Last used", true),
        head("Kept until"), head("Pinned"), head("Actions"))), this.body);
    const file = h("input", { type: "file", id: "session-import", accept: ".quire,application/octet-stream" });
    file.addEventListener("change", () => void this.take(file));
    const form = h("form", { class: "tools", role: "search" },
      h("span", { class: "labelled" }, h("label", { for: "session-search" }, "Part of the id"), this.search),
      h("button", { type: "submit" }, "Search"), h("span", { class: "gap" }),
      h("span", { class: "labelled" }, this.withKv, h("label", { for: "session-kv" }, "exports bring their KV")),
      h("span", { class: "labelled import" }, h("label", { for: "session-import" }, "Import "), file));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.load(false);
    });
    this.element = h("div", { class: "stack" },
      panel("Kept conversations", "A session is a log of tokens that is kept whatever becomes of its memory. A fork shares " +
        "all so far, costs one row, and stands below the session that it was forked from. A pin holds a session’s KV in memory.",
        form, this.problem,
        h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Sessions" }, this.table), this.empty, this.more));
    void this.load(false);
  }

  leave(): void {
    this.abort.abort();
  }

  private async load(goOn: boolean): Promise<void> {
    await this.attempt(async () => {
      const query = new URLSearchParams({ limit: String(PAGE) });
      if (this.search.value !== "") query.set("search", this.search.value);
      const last = this.sessions[this.sessions.length - 1];
      if (goOn && last) query.set("after", last.id);
      const { data } = await getJson<Listed>(`v1/sessions?${query}`, this.abort.signal);
      this.sessions = goOn ? [...this.sessions, ...data] : data;
      this.more.hidden = data.length < PAGE;
      this.show();
    });
  }

  private show(): void {
    this.table.hidden = this.sessions.length === 0;
    setText(this.empty, this.sessions.length > 0 ? ""
      : this.search.value === "" ? "No sessions yet: POST /v1/sessions begins one." : "No session has this in its id.");
    this.body.replaceChildren(...asTree(this.sessions).map((placed) => this.row(placed)));
  }

  private row({ session, lines }: Placed<Session>): HTMLElement {
    const { id, forked_from: parent } = session;
    const now = Date.now() / 1000;
    const pinned = session.pinned_until !== null && session.pinned_until > now;
    const time = (at: number | null) => (at === null ? "–" : date(at * 1000));
    const button = (text: string, run: () => void) =>
      h("button", { type: "button", "aria-label": `${text} ${id}`, onclick: run }, text);
    const name = h("th", { scope: "row", class: "session-name" }, ...branches(lines), h("span", { class: "session-id" }, id));
    setVar(name, "--depth", String(lines.length));
    if (lines.length > 0) name.append(h("span", { class: "unseen" }, `, fork of ${parent}`));
    else if (parent !== null) name.append(h("span", { class: "note" }, `fork of ${parent}`));
    if (session.moved_to) name.append(h("span", { class: "note" }, `moved to ${session.moved_to}`));
    if (session.stream) name.append(h("span", { class: "note" }, `stream, window of ${count(session.stream.window_tokens)}`));
    const cell = (text: string) => h("td", { class: "number" }, text);
    return h("tr", {}, name, cell(count(session.tokens)), cell(count(session.messages)),
      cell(session.last_used === null ? "–" : ago(session.last_used)), h("td", {}, time(session.expires)),
      h("td", {}, pinned ? time(session.pinned_until) : "–"),
      h("td", {}, h("div", { class: "actions" },
        button("Fork", () => this.act(id, "fork", {}, "forked")),
        pinned ? button("Unpin", () => this.act(id, "unpin", {}, "unpinned"))
          : button("Pin", () => this.act(id, "pin", { ttl_seconds: PIN_SECONDS }, "pinned for an hour")),
        button("Export", () => void this.export(id)),
        button("Delete", () => void this.remove(id)))));
  }

  private act(id: string, action: string, body: unknown, done: string): void {
    void this.attempt(async () => {
      await request(`v1/sessions/${encodeURIComponent(id)}/${action}`, post(body, this.abort.signal));
      announce(`${id} ${done}`);
      await this.load(false);
    });
  }

  private async remove(id: string): Promise<void> {
    if (!confirm(`Delete the session ${id}? Forks keep what they share.`)) return;
    await this.attempt(async () => {
      await request(`v1/sessions/${encodeURIComponent(id)}`, { method: "DELETE", signal: this.abort.signal });
      announce(`${id} deleted`);
      await this.load(false);
    });
  }

  private async export(id: string): Promise<void> {
    await this.attempt(async () => {
      const kv = this.withKv.checked ? "?kv=true" : "";
      const response = await request(`v1/sessions/${encodeURIComponent(id)}/export${kv}`, { signal: this.abort.signal });
      const address = URL.createObjectURL(await response.blob());
      h("a", { href: address, download: `${id}.quire` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
      announce(`${id} exported`);
    });
  }

  private async take(input: HTMLInputElement): Promise<void> {
    const file = input.files?.[0];
    if (!file) return;
    await this.attempt(async () => {
      const response = await request("v1/sessions/import",
        { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" }, signal: this.abort.signal });
      const { id, tokens } = (await response.json()) as Session;
      announce(`${id} imported, ${plural(tokens, "token")}`);
      await this.load(false);
    });
    input.value = "";
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    try {
      setText(this.problem, "");
      await work();
    } catch (error) {
      if (this.abort.signal.aborted) return;
      setText(this.problem, error instanceof ApiError ? error.message : String(error));
    }
  }
}

export function sessionsPage(): Page {
  const page = new Sessions();
  return { element: page.element, leave: () => page.leave() };
}
