// Lesson 4: an agent's memory handed over, against starting over; between two servers where this one has a peer.

import { ApiError } from "../api";
import { h, panel, setText } from "../dom";
import { Doings } from "./doings";
import { Leftovers } from "./leftovers";
import { field, freshSalt, prose, Work, type Lesson } from "./lesson";
import { movedView } from "./move_result";
import { moveByFile, moveTo, type Moving } from "./move_ways";
import { peersOf, type Peer } from "./peers";
import { twoServersHint } from "./two_servers";

const NOTE = "Day {n}: walked the pipeline from valve {n} to the pump house. Pressure {p} bar, no leak to be seen. The seal at " +
  "joint {j} is worn and " +
  "should be changed before winter; noted it in the plan and ordered two of them. ";

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
  private readonly to = h("select", { id: "move-to" });
  private readonly way = h("div", {});
  private readonly start = h("button", { type: "submit" }, "Move it, and ask");
  private readonly stop = h("button", { type: "button", class: "stop", disabled: true, onclick: () => this.work.stop() }, "Stop");
  private readonly doings = new Doings();
  private readonly left = h("div", { role: "alert" });
  private readonly result = h("div", { class: "stack", role: "status" });
  private readonly abort = new AbortController();
  private peers: Peer[] = [];
  private readonly work = new Work((busy) => {
    this.start.disabled = busy;
    this.to.disabled = busy;
    this.stop.disabled = !busy;
  });

  constructor() {
    this.days.addEventListener("input", () => setText(this.daysShown, `${this.days.value} days`));
    this.to.addEventListener("change", () => this.explain());
    const form = h("form", { class: "stack" }, field("The second server", this.to),
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
            "question is the same."]), this.way, form, this.work.problem, this.left, this.doings.element),
      this.result);
    this.offer([], "");
    this.explain();
    void this.look(this.abort.signal).then(() => {
      const answering = this.peers.find(({ answers }) => answers);
      if (!this.work.busy && answering) this.to.value = answering.name;
      this.explain();
    }, () => undefined);
  }

  leave(): void {
    this.abort.abort();
    this.work.stop();
  }

  private async look(signal: AbortSignal): Promise<void> {
    this.peers = await peersOf(signal);
    this.offer(this.peers, this.to.value);
  }

  private offer(peers: Peer[], chosen: string): void {
    this.to.replaceChildren(h("option", { value: "" }, "this server alone"), ...peers.map(({ name, url, answers }) =>
      h("option", { value: name }, `${name}, at ${url}${answers ? "" : " (does not answer)"}`)));
    if (peers.some(({ name }) => name === chosen)) this.to.value = chosen;
  }

  private explain(): void {
    const name = this.to.value;
    const salt = ["That starting over really starts over, a ", h("code", {}, "cache_salt"), " of its own sees to."];
    this.way.replaceChildren(name === ""
      ? prose(["There is one server, so it plays both ends: the session is exported with its KV into a file, the file is brought back and " +
        "taken in under another name, block by block checked. ", ...salt, " Between two servers ",
        h("code", {}, "quire session handoff"), " does the same without a file."])
      : prose([`The session is really handed over: ${name} pulls its tokens, then the KV that it lacks, then ownership, and this server keeps ` +
        `nothing but the new address. Both answers are those of ${name}. `, ...salt]),
    ...(this.peers.length === 0 ? [twoServersHint(this.abort.signal)] : []));
  }

  private async move(signal: AbortSignal): Promise<void> {
    this.doings.clear();
    this.result.replaceChildren();
    this.left.replaceChildren();
    const leftovers = new Leftovers();
    const moving: Moving = { text: notes(Number(this.days.value)), doings: this.doings, leftovers, signal };
    try {
      const chosen = this.to.value;
      if (chosen !== "") await this.look(signal); // whether it still answers
      const peer = this.peers.find(({ name }) => name === chosen);
      if (chosen !== "" && !peer) throw new ApiError(0, `${chosen} is no peer of this server any more: choose again`, "peer");
      const moved = peer ? await moveTo(peer, moving) : await moveByFile(moving);
      this.result.replaceChildren(movedView(moved));
    } finally {
      if (leftovers.any) await this.cleanUp(leftovers); // also of one that was stopped
    }
  }

  private async cleanUp(leftovers: Leftovers): Promise<void> {
    const { done: left } = await this.doings.run("The session is deleted, wherever it is", () => leftovers.clear(),
      (told) => told.length === 0 ? ", nothing of it stays" : ", not everywhere");
    this.left.replaceChildren(...left.map((words) => h("p", { class: "problem" }, words)));
  }
}

export const moveLesson = (): Lesson => new MoveLesson();
