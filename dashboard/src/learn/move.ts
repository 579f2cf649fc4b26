// Lesson 4: an agent's memory handed over, against starting over; really exported, imported and asked.

import { getJson, post, postJson, request } from "../api";
import { announce, h, panel, setText } from "../dom";
import { bytes, count, milliseconds, plural } from "../format";
import { shareBar } from "../plan/plan_views";
import { foundTokens, type Receipt } from "../receipt";
import { ask, tokensOf, type Answer } from "./ask";
import { freshSalt, prose, Work, type Lesson } from "./lesson";

const NOTE = "Day {n}: walked the pipeline from valve {n} to the pump house. Pressure {p} bar, no leak to be seen. The seal at " +
  "joint {j} is worn and " +
  "should be changed before winter; noted it in the plan and ordered two of them. ";
const QUESTION = "\n\nQuestion: what should be changed before winter?\nAnswer:";
const ANSWER_TOKENS = 16;

interface Session {
  id: string;
  tokens: number;
}

interface Imported extends Session {
  kv: { blocks: number; held: number; taken: number; refused: string | null };
}

interface Generated {
  quire: Receipt;
}

interface Moved {
  file: number; // bytes
  tokens: number;
  exportMs: number;
  importMs: number;
  kv: Imported["kv"];
  asked: Answer;
  over: Answer;
}

const pathOf = (id: string, action = ""): string => `v1/sessions/${encodeURIComponent(id)}${action}`;

/** Notes that nobody has read before: each visit's are its own. */
function notes(days: number): string {
  const lines = Array.from({ length: days }, (_, i) =>
    NOTE.replaceAll("{n}", String(i + 1)).replace("{p}", (4 + ((i * 37) % 20) / 10).toFixed(1))
      .replace("{j}", String(11 + ((i * 7) % 80))));
  return `Log of agent ${freshSalt().slice(6)}.\n${lines.join("\n")}`;
}

export class MoveLesson implements Lesson {
  readonly element: HTMLElement;
  private readonly days = h("input", { id: "move-days", type: "range", min: "4", max: "60", step: "1", value: "16" });
  private readonly daysShown = h("output", { for: "move-days" }, "16 days");
  private readonly start = h("button", { type: "submit" }, "Move it, and ask");
  private readonly stop = h("button", { type: "button", class: "stop", disabled: true, onclick: () => this.work.stop() }, "Stop");
  private readonly log = h("ol", { class: "doings", "aria-label": "What is done" });
  private readonly result = h("div", { class: "stack", role: "status" });
  private readonly work = new Work((busy) => {
    this.start.disabled = busy;
    this.stop.disabled = !busy;
  });

  constructor() {
    this.days.addEventListener("input", () => setText(this.daysShown, `${this.days.value} days`));
    const form = h("form", { class: "stack" },
      h("div", { class: "field range" }, h("label", { for: "move-days" }, "Notes of the agent"), this.days, this.daysShown),
      h("div", { class: "buttons" }, this.start, this.stop));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.work.run((signal) => this.move(signal));
    });
    this.element = h("div", { class: "stack" },
      panel("A memory that moves", "",
        prose(["An agent that has worked for a while carries a long text with it. If it goes on at another server, that one has " +
          "either to read all of it again, or to get its ",
          "memory along: the tokens, which are few bytes, and their KV, which are many. Both ways are taken here, and the last " +
            "question is the same."],
        ["There is one server, so it plays both ends: the session is exported with its KV into a file, the file is brought back and " +
          "taken in under another name, block by block ",
          "checked. That starting over really starts over, a ", h("code", {}, "cache_salt"), " of its own sees to. Between two servers ",
          h("code", {}, "quire session handoff"), " does the same without a file."]), form, this.work.problem, this.log),
      this.result);
  }

  leave(): void {
    this.work.stop();
  }

  /** Runs one thing, and writes down what it took. */
  private async doing<T>(what: string, work: () => Promise<T>, tell: (done: T) => string): Promise<{ done: T; ms: number }> {
    const words = h("span", {}, what);
    const took = h("span", { class: "took" }, "…");
    this.log.append(h("li", {}, words, took));
    const began = performance.now();
    const done = await work();
    const ms = performance.now() - began;
    setText(took, `${milliseconds(ms)}${tell(done)}`);
    return { done, ms };
  }

  private async move(signal: AbortSignal): Promise<void> {
    this.log.replaceChildren();
    this.result.replaceChildren();
    const name = freshSalt();
    const moved = `${name}-moved`;
    try {
      await this.moveAs(name, moved, signal);
    } finally {
      // Also of one that was stopped: nothing of a lesson stays.
      for (const id of [name, moved]) await request(pathOf(id), { method: "DELETE" }).catch(() => undefined);
    }
  }

  private async moveAs(name: string, moved: string, signal: AbortSignal): Promise<void> {
    const text = notes(Number(this.days.value));
    await postJson<Session>("v1/sessions", { id: name, seed: 1 }, signal);
    await this.doing("The agent reads its notes, at the first server", async () => {
      await request(pathOf(name, "/append"), post({ text }, signal));
      return postJson<Generated>(pathOf(name, "/generate"), { max_tokens: 1, temperature: 0 }, signal);
    }, ({ quire }) => `, ${plural(quire.computed_tokens + foundTokens(quire), "token")}`);
    const file = await this.doing("Its session is written to a file, with the KV", async () => {
      const response = await request(pathOf(name, "/export?kv=true"), { signal });
      return response.blob();
    }, (blob) => `, ${bytes(blob.size)}`);
    const imported = await this.doing("The second server takes the file in", async () => {
      const response = await request(`v1/sessions/import?id=${encodeURIComponent(moved)}`,
        { method: "POST", body: file.done, headers: { "Content-Type": "application/octet-stream" }, signal });
      return (await response.json()) as Imported;
    }, ({ kv }) => `, ${plural(kv.blocks, "block")}: ${count(kv.taken)} taken, ${count(kv.held)} were still here`);
    // What the session says, and the question: nothing of the question is read before it is asked.
    const { token_ids: ids } = await getJson<Session & { token_ids: number[] }>(pathOf(moved, "?tokens=true"), signal);
    const prompt = [...ids, ...await tokensOf(QUESTION, false, signal)];
    const asked = await this.doing("It is asked there", () => ask({ prompt, maxTokens: ANSWER_TOKENS }, signal),
      ({ receipt }) => `, ${plural(foundTokens(receipt), "token")} found, ${count(receipt.computed_tokens)} computed`);
    const over = await this.doing("The same question, starting over",
      () => ask({ prompt, maxTokens: ANSWER_TOKENS, salt: freshSalt() }, signal),
      ({ receipt }) => `, ${plural(receipt.computed_tokens, "token")} computed`);
    this.show({ file: file.done.size, tokens: ids.length, exportMs: file.ms, importMs: imported.ms, kv: imported.done.kv,
      asked: asked.done, over: over.done });
  }

  private show(all: Moved): void {
    const { asked, over, kv } = all;
    const handed = all.exportMs + all.importMs + asked.receipt.ttft_ms;
    const anew = over.receipt.ttft_ms;
    const most = Math.max(handed, anew);
    const same = over.text === asked.text;
    const row = (what: string, ms: number, kind: string, about: string, strong = false) => h("tr", {},
      h("th", { scope: "row" }, strong ? h("b", {}, what) : what, h("span", { class: "remark" }, about)),
      h("td", { class: "number" }, strong ? h("b", {}, milliseconds(ms)) : milliseconds(ms)),
      h("td", { class: "wide" }, shareBar(ms / most, kind)));
    this.result.replaceChildren(panel("Until the first word of the answer", "",
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Handed over and starting over" },
        h("table", { class: "bars" }, h("tbody", {},
        row("Starting over", anew, "computed", `${plural(over.receipt.computed_tokens, "token")} computed`, true),
        row("With the memory handed over", handed, "found", `${count(foundTokens(asked.receipt))} tokens found, ` +
          `${count(asked.receipt.computed_tokens)} computed; file, way and answer together`, true),
        row("of that, writing the file", all.exportMs, "plain", `${bytes(all.file)}, sealed`),
        row("taking it in", all.importMs, "plain", "every block opened, and compared with the text"),
        row("answering", asked.receipt.ttft_ms, "plain", "once the memory is there")))),
      h("p", { class: "verdict-line" }, h("span", { class: `sign ${same ? "fits" : "never"}`, "aria-hidden": "true" }, same ? "✓" : "✕"),
        same ? `The same answer both times: “${asked.text.trim()}”` : `Two answers: “${asked.text.trim()}” and ` +
          `“${over.text.trim()}”`),
      h("p", { class: "hint" }, this.honest(all.tokens, all.file, kv))));
    announce(`Starting over took ${milliseconds(anew)}, handed over ${milliseconds(handed)}`);
  }

  private honest(tokens: number, file: number, kv: Imported["kv"]): string {
    const here = kv.held > 0 ? `The blocks were still in this server’s memory, so ${count(kv.held)} of ${count(kv.blocks)} were ` +
      `compared and not copied in; another server copies them too. ` : "";
    const why = kv.refused === null ? "" : `Not all were used: ${kv.refused}. `;
    return `${here}${why}The file is ${bytes(file / tokens)} a token. Whether it is worth its way depends on the model and the ` +
      `line: a larger model takes far longer to compute a token, ` +
      "while its KV grows more slowly. The page Plan says from where on.";
  }
}

export const moveLesson = (): Lesson => new MoveLesson();
