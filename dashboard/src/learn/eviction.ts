// The end of lesson 1: memory is filled until what was kept has to go, where that does no harm.

import { getJson } from "../api";
import { h, setText, setVar } from "../dom";
import { count, plural, seconds } from "../format";
import { live } from "../live";
import { BLOCK_TOKENS } from "../plan/plan_data";
import { ask, tokensOf, type Answer } from "./ask";
import { freshSalt, prose, term, type Work } from "./lesson";

const MOST_SECONDS = 120;
const PIECE_TOKENS = 512;
const LEDGER_MS = [150, 300, 600];
const WHY: Record<string, string> = {
  evicted_own: "had been evicted for other requests of your own",
  evicted_outside: "had been evicted for requests of others",
  purged: "had been wiped",
};

interface Missed {
  rows: { missed: { by_reason: Record<string, number>; evicted_ago_ms: number | null } }[];
}

export class Eviction {
  readonly prose = prose(
    ["What nobody uses at the moment is kept while there is room. When a new text needs a block and none is free, the one that was " +
      "not used for ",
      "longest is ", term("evicted"), ": forgotten, or left to the disk alone. Last blocks of a text go before its first ones, " +
        "since those are of more use: ",
      "every text that begins alike can share them."]);
  readonly controls: HTMLElement;
  private readonly fill = h("button", { type: "button", onclick: () => void this.run() }, "Fill the memory");
  private readonly stop = h("button", { type: "button", class: "stop", hidden: true, onclick: () => this.work.stop() }, "Stop");
  private readonly again = h("button", { type: "button" }, "Ask once more");
  private readonly words = h("p", { class: "hint", role: "status" });
  private readonly progress = h("span", { class: "fill computed" });
  private readonly unsubscribe: () => void;
  private filled = false; // and nothing was asked since
  private rate = 0; // tokens a second, as measured by the last answer that computed many

  constructor(private readonly work: Work, private readonly prompt: () => string, askAgain: () => Promise<unknown>) {
    this.again.addEventListener("click", () => void askAgain());
    this.controls = h("div", { class: "stack" },
      h("div", { class: "buttons" }, this.fill, this.stop, this.again), h("span", { class: "gauge tall", "aria-hidden": "true" },
        this.progress),
      this.words);
    this.unsubscribe = live.subscribe(() => this.tell());
    this.tell();
  }

  leave(): void {
    this.unsubscribe();
  }

  private size(): number {
    return (live.state?.server?.blocks ?? 0) * BLOCK_TOKENS;
  }

  /** Whether it may be filled, and why not. */
  tell(): void {
    if (this.work.busy) return;
    const tokens = this.size();
    const lasts = this.rate > 0 ? tokens / this.rate : 0;
    this.fill.disabled = tokens === 0 || this.rate === 0 || lasts > MOST_SECONDS;
    if (this.filled) setText(this.words, "The memory has been filled once over. Now ask again: what is left of your text?");
    else if (tokens === 0) setText(this.words, "How full it is as a whole, and filling it, is for operators: it would push out what " +
      "others keep.");
    else if (this.rate === 0) setText(this.words, "Ask something above first, so that it is known how fast this machine reads.");
    else if (lasts > MOST_SECONDS) {
      setText(this.words, `To fill it, ${count(tokens)} tokens would have to be read, for about ${seconds(lasts)}: too long for a ` +
        `lesson. ` +
        "A server of your own with --kv-memory 64MiB is filled in a moment.");
    } else {
      setText(this.words, `Reads about ${count(tokens)} tokens of nonsense, for some ${seconds(Math.ceil(lasts))}. It pushes out ` +
        `what anybody left here: ` +
        "nothing is lost by that, but it will be computed again.");
    }
  }

  private run(): Promise<unknown> {
    return this.work.run(async (signal) => {
      const words = await tokensOf(this.prompt(), true, signal);
      const salt = freshSalt();
      const all = this.size();
      const piece = Math.min(PIECE_TOKENS, all >> 2);
      this.stop.hidden = false;
      try {
        for (let read = 0; read < all; read += piece) {
          const prompt = Array.from({ length: piece }, () => words[Math.floor(Math.random() * words.length)] ?? 0);
          await ask({ prompt, salt, maxTokens: 1 }, signal);
          setVar(this.progress, "--share", `${Math.min(100, (100 * (read + piece)) / all)}%`);
          setText(this.words, `${count(read + piece)} of ${count(all)} tokens read`);
        }
        this.filled = true;
      } finally {
        this.stop.hidden = true;
        setVar(this.progress, "--share", "0%");
      }
    });
  }

  /** What the ledger says of blocks that were there once; empty where it says nothing of that kind. */
  async whyMissed({ receipt }: Answer, signal: AbortSignal): Promise<string> {
    this.filled = false;
    if (receipt.computed_tokens > 2 * BLOCK_TOKENS) this.rate = receipt.computed_tokens / (receipt.prefill_ms / 1000);
    const query = `v1/ledger?request_id=${encodeURIComponent(receipt.request_id)}`;
    for (const wait of LEDGER_MS) {
      await new Promise((done) => setTimeout(done, wait));
      const page = await getJson<Missed>(query, signal).catch(() => undefined);
      if (!page) return "";
      const missed = page.rows[0]?.missed;
      if (!missed) continue;
      for (const [reason, words] of Object.entries(WHY)) {
        const blocks = missed.by_reason[reason] ?? 0;
        if (blocks === 0) continue;
        const ago = missed.evicted_ago_ms === null ? "" : `, the last of them ${seconds(missed.evicted_ago_ms / 1000)} before`;
        return `The ledger of the server knows why: ${plural(blocks, "block")} ${words}${ago}. They were computed again, to the same bits.`;
      }
      return "";
    }
    return "";
  }
}
