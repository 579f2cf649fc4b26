// Lesson 1: what a block, a prefix hit, a fork and an eviction are, by asking the server.

import { announce, h, panel, setText } from "../dom";
import { bytes, count, milliseconds, plural } from "../format";
import { BLOCK_TOKENS, planIfTold, type Plan } from "../plan/plan_data";
import { shareBar } from "../plan/plan_views";
import { foundTokens } from "../receipt";
import { ask, type Answer } from "./ask";
import { blockLegend, blockList, blocksOf } from "./block_text";
import { Eviction } from "./eviction";
import { field, freshSalt, prose, term, Work, type Lesson } from "./lesson";
import { MemoryLine } from "./memory_line";

const BEGINNING = "Once upon a time there was a giraffe who wanted to learn how to swim. Every morning she walked down to the lake, " +
  "put one hoof into the cold water, and pulled it out again. The hippos laughed, but the old turtle did not. “You have the " +
  "longest neck of us all,” he said, “so you can stand where everybody else has to swim. Begin there.” And so she went in, " +
  "one step a day, until the water reached her knees, then her belly, then her shoulders. On the tenth day she lifted one " +
  "leg, and then another, and for the length of one breath she did not stand on anything at all.";
const ENDINGS = ["What did the turtle say to her then?", "Why had the hippos laughed at her?", "How did the giraffe feel that evening?"];
const FIRST_WORDS: [string, string][] = [["Once", "Long ago, once"], ["Long ago, once", "Once"]];
const MOST_SHOWN = 6;

interface Try {
  what: string;
  answer: Answer;
  time: HTMLElement;
}

export class BlocksLesson implements Lesson {
  readonly element: HTMLElement;
  private salt = freshSalt();
  private readonly beginning = h("textarea", { id: "learn-beginning", rows: "5" });
  private readonly ending = h("input", { id: "learn-ending", autocomplete: "off" });
  private readonly facts = h("p", { class: "about" });
  private readonly list = h("ol", { class: "tries", "aria-label": "What was asked, the newest first" });
  private readonly memory = new MemoryLine();
  private readonly steps: HTMLButtonElement[];
  private readonly work = new Work((busy) => this.setBusy(busy));
  private readonly eviction: Eviction;
  private readonly abort = new AbortController();
  private tries: Try[] = [];

  constructor() {
    this.beginning.value = BEGINNING;
    this.ending.value = ENDINGS[0] ?? "";
    this.steps = [
      this.step("Ask", "The server has never seen this text. How much must it compute?", "The first time", () => undefined),
      this.step("Ask the same again", "Will it read all of it again?", "The same again", () => undefined),
      this.step("Change the last sentence", "A fork: the same beginning, another end.", "Another end", () => this.otherEnding()),
      this.step("Change the first word", "Only one word is new. What of the rest is found?", "Another first word",
        () => this.otherFirstWord()),
      this.step("Ask it with the old beginning", "Is what you asked first still there?", "The old beginning", () => this.oldBeginning()),
    ];
    const form = h("form", { class: "stack" }, field("The beginning of what the model reads", this.beginning),
      field("Its end", this.ending),
      h("div", { class: "buttons" }, h("button", { type: "submit" }, "Ask this"),
        h("button", { type: "button", onclick: () => this.forget() }, "Begin with an empty memory")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.ask("Your own text");
    });
    this.eviction = new Eviction(this.work, () => this.prompt(), () => this.askAgain());
    this.element = h("div", { class: "stack" },
      panel("A memory of what was read", "",
        prose(
          ["A model reads a text as ", term("tokens"), ": words, or parts of them. For each token every layer works out a ", term("key"),
            " and a ", term("value"), ", which all later tokens look at. They never change any more, so the server keeps them: that " +
              "is the ",
            term("KV cache"), "."],
          [`It is kept in `, term("blocks"), ` of ${BLOCK_TOKENS} tokens. A block’s name is made of its own tokens and of the name ` +
            `of the block before it, `,
            "so equal names mean: the same text, from the very beginning. Whoever begins with the same text finds the blocks, and " +
              "computes none of them."]),
        this.facts),
      panel("Ask, and watch the blocks", "Five questions to this server, one after the other. Each text below is cut where its " +
        "blocks are cut.",
        h("ol", { class: "steps" }, ...this.steps.map((button) => h("li", {}, button))),
        h("details", { class: "own-text" }, h("summary", {}, "The text, to be changed as you like"), form),
        this.work.problem, blockLegend(), this.list),
      panel("When memory is full", "", this.eviction.prose, this.memory.element, this.eviction.controls));
    void planIfTold(this.abort.signal).then((plan) => plan && this.tellFacts(plan), () => undefined);
  }

  leave(): void {
    this.abort.abort();
    this.work.stop();
    this.memory.leave();
    this.eviction.leave();
  }

  private tellFacts({ model, memory, kv_format }: Plan): void {
    const values = model.layers * model.kv_heads * model.head_dim * 2;
    setText(this.facts, `In ${model.name}, which runs here: ${count(model.layers)} layers × ${plural(model.kv_heads, "KV head")} × ` +
      `${count(model.head_dim)} numbers × 2 (key and value) = ${count(values)} numbers a token, in the format ${kv_format} ` +
      `${bytes(memory.block_bytes / BLOCK_TOKENS)}; a block of ${BLOCK_TOKENS} tokens takes ${bytes(memory.block_bytes)}.`);
  }

  private step(label: string, about: string, what: string, change: () => void): HTMLButtonElement {
    const button = h("button", { type: "button", class: "step" }, h("b", {}, label), h("span", {}, about));
    button.addEventListener("click", () => {
      if (this.work.busy) return;
      change();
      void this.ask(what).then((done) => done && button.classList.add("done"));
    });
    return button;
  }

  private setBusy(busy: boolean): void {
    for (const button of this.element?.querySelectorAll("button") ?? []) button.disabled = busy && !button.classList.contains("stop");
    if (!busy) this.eviction.tell();
  }

  private prompt(): string {
    return `${this.beginning.value.trim()}\n\n${this.ending.value.trim()}`;
  }

  private otherEnding(): void {
    this.ending.value = ENDINGS[(ENDINGS.indexOf(this.ending.value) + 1) % ENDINGS.length] ?? "";
  }

  private otherFirstWord(): void {
    const text = this.beginning.value;
    const [from, to] = FIRST_WORDS.find(([word]) => text.startsWith(word)) ?? ["", "Long ago: "];
    this.beginning.value = to + text.slice(from.length);
  }

  private oldBeginning(): void {
    this.beginning.value = BEGINNING;
  }

  private forget(): void {
    this.salt = freshSalt();
    this.tries = [];
    this.list.replaceChildren();
    for (const step of this.steps) step.classList.remove("done");
    announce("A new memory begins, and it is empty");
  }

  /** Asked from below, where what comes of it would be out of sight. */
  private async askAgain(): Promise<void> {
    if (await this.ask("Once more")) this.list.firstElementChild?.scrollIntoView({ block: "center" });
  }

  private ask(what: string): Promise<boolean> {
    return this.work.run(async (signal) => {
      const prompt = this.prompt();
      const answer = await ask({ prompt, salt: this.salt, maxTokens: 12 }, signal);
      const blocks = blockList(await blocksOf(prompt, answer.receipt, signal));
      const words = this.show(what, answer, blocks);
      // The ledger has its row a little later.
      void this.eviction.whyMissed(answer, this.abort.signal).then((why) => why !== "" && setText(words, why), () => undefined);
    });
  }

  private show(what: string, answer: Answer, blocks: HTMLElement): HTMLElement {
    const { receipt, promptTokens, text } = answer;
    const found = foundTokens(receipt);
    const time = h("div", { class: "time-of" });
    this.tries.push({ what, answer, time });
    const words = h("p", { class: "words", role: "status" }, explain(this.tries));
    this.list.prepend(h("li", { class: "try" },
      h("h3", {}, `${this.tries.length}. ${what}`), time,
      words, blocks,
      h("p", { class: "hint" }, `The model goes on: “${text.trim()}”`)));
    while (this.list.children.length > MOST_SHOWN) this.list.lastElementChild?.remove();
    this.scaleTimes();
    announce(`${what}: ${count(found)} of ${plural(promptTokens, "token")} found`);
    return words;
  }

  /** All on one scale, that of the slowest. */
  private scaleTimes(): void {
    const most = Math.max(...this.tries.map(({ answer }) => answer.receipt.prefill_ms), 1);
    for (const { answer: { receipt }, time } of this.tries) {
      time.replaceChildren(
        h("span", { class: "figure" }, h("b", { class: "found" }, count(foundTokens(receipt))), " found"),
        h("span", { class: "figure" }, h("b", { class: "computed" }, count(receipt.computed_tokens)), " computed"),
        h("span", { class: "figure" }, h("b", {}, milliseconds(receipt.prefill_ms)), " to read it"),
        shareBar(receipt.prefill_ms / most, "computed"));
    }
  }
}

function explain(tries: Try[]): string {
  const { answer } = tries[tries.length - 1] as Try;
  const found = foundTokens(answer.receipt);
  const { computed_tokens: computed } = answer.receipt;
  if (found === 0 && tries.length === 1) {
    return `Nothing was found, so all ${count(answer.promptTokens)} tokens went through the model. Their ` +
      `${count(Math.floor(answer.promptTokens / BLOCK_TOKENS))} full blocks are kept now.`;
  }
  if (found === 0) {
    return "Nothing was found, though nearly all words are the same: the first block differs, so its name does, and with it the " +
      "name of every block behind it. " +
      "The numbers differ too: each token has looked at all before it.";
  }
  const first = tries[0]?.answer.receipt.prefill_ms ?? 0;
  const times = first / Math.max(answer.receipt.prefill_ms, 1e-3);
  return `${plural(found / BLOCK_TOKENS, "block")} found and not computed` + (answer.receipt.cached_tokens.disk > 0
    ? ", some of them read back from disk" : "") +
    (times >= 1.5 ? `: ${times.toFixed(times < 10 ? 1 : 0)}× as fast as the first time` : "") +
    `. The ${plural(computed, "token")} behind them ${computed === 1 ? "was" : "were"} computed: a block that differs or is not full has no name to be found by.`;
}

export const blocksLesson = (): Lesson => new BlocksLesson();
