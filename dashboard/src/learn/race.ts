// Lesson 2: the same answer with a KV cache and without one, both by this server, for real.

import { announce, h, panel, setText } from "../dom";
import { count } from "../format";
import { planIfTold, type Plan } from "../plan/plan_data";
import { ask, askAloud } from "./ask";
import { Lane } from "./lane";
import { field, freshSalt, prose, Work, type Lesson } from "./lesson";
import { columns, comparison, type Step } from "./race_result";

const TEXT = "The old lighthouse keeper had one rule: the light is never to go out. For forty years he had climbed the stairs at dusk, " +
  "trimmed the wick, polished the glass, and written one line into the log. Tonight the line he wrote was different from all " +
  "the others, because for the first time somebody answered from the sea. It was a voice, and it said:";

export class RaceLesson implements Lesson {
  readonly element: HTMLElement;
  private readonly text = h("textarea", { id: "race-text", rows: "4" });
  private readonly tokens = h("input", { id: "race-tokens", type: "range", min: "4", max: "40", step: "1", value: "16" });
  private readonly tokensShown = h("output", { for: "race-tokens" }, "16 tokens");
  private readonly start = h("button", { type: "submit" }, "Start the race");
  private readonly stop = h("button", { type: "button", class: "stop", disabled: true, onclick: () => this.work.stop() }, "Stop");
  private readonly withCache = new Lane("With a KV cache", "reads the text once, then computes one token at a time", "--found");
  private readonly without = new Lane("Without", "reads everything from the start for each token", "--computed");
  private readonly result = h("div", { class: "stack", role: "status" });
  private readonly work = new Work((busy) => {
    this.start.disabled = busy;
    this.stop.disabled = !busy;
  });
  private readonly abort = new AbortController();
  private plan: Plan | undefined;

  constructor() {
    this.text.value = TEXT;
    this.tokens.addEventListener("input", () => setText(this.tokensShown, `${this.tokens.value} tokens`));
    const form = h("form", { class: "stack" }, field("A text to go on from", this.text),
      h("div", { class: "field range" }, h("label", { for: "race-tokens" }, "Length of the answer"), this.tokens, this.tokensShown),
      h("div", { class: "buttons" }, this.start, this.stop));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.work.run((signal) => this.race(signal));
    });
    this.element = h("div", { class: "stack" },
      panel("The same answer, twice", "",
        prose(["A model writes one token at a time, and each of them looks back at all that came before. With a cache, the keys and " +
          "values of what came ",
          "before are there. Without one, they have to be worked out again: for every single token the whole text goes through the model."],
        ["Both are really run here: the first as an ordinary answer, the second as one request a token, each under a ",
          h("code", {}, "cache_salt"),
          " that nobody used before, so that nothing is found. One after the other, so that neither slows the other down."]), form),
      panel("The race", "", h("div", { class: "lanes" }, this.withCache.element, this.without.element), this.work.problem),
      this.result);
    void planIfTold(this.abort.signal).then((plan) => {
      this.plan = plan;
    }, () => undefined);
  }

  leave(): void {
    this.abort.abort();
    this.work.stop();
  }

  private async race(signal: AbortSignal): Promise<void> {
    this.result.replaceChildren();
    this.withCache.clear();
    this.without.clear();
    const prompt = this.text.value;
    const { steps: cached, tokens } = await this.runWith(prompt, signal);
    const again = await this.runWithout(prompt, tokens, signal);
    const same = again.map(({ text }) => text).join("") === cached.map(({ text }) => text).join("");
    this.result.replaceChildren(
      panel("What it came to", "", comparison(cached, again, same, this.plan)),
      panel("Time of each token", "The first one costs both of them the same: the text has to be read. From then on one computes a " +
        "token, and the other " +
        "everything.", columns(cached, again)));
    announce(`The race is over. ${same ? "Both wrote the same text." : ""}`);
  }

  private async runWith(prompt: string, signal: AbortSignal): Promise<{ steps: Step[]; tokens: number }> {
    const steps: Step[] = [];
    let before = 0;
    this.withCache.begin();
    const question = { prompt, salt: freshSalt(), maxTokens: Number(this.tokens.value) };
    const answer = await askAloud(question, (text, ms) => {
      steps.push({ text, ms: ms - before, computed: 1, length: 0 });
      before = ms;
      this.withCache.add(text, steps.length);
    }, signal);
    // The first token comes out of reading the prompt.
    steps.forEach((step, i) => {
      step.length = answer.promptTokens + i;
      if (i === 0) step.computed = answer.receipt.computed_tokens;
    });
    this.withCache.end(steps.reduce((sum, { ms }) => sum + ms, 0), answer.receipt.computed_tokens + answer.generatedTokens - 1);
    return { steps, tokens: answer.generatedTokens };
  }

  private async runWithout(prompt: string, tokens: number, signal: AbortSignal): Promise<Step[]> {
    const steps: Step[] = [];
    let text = prompt;
    let computed = 0;
    this.without.begin();
    for (let i = 0; i < tokens; ++i) {
      const answer = await ask({ prompt: text, salt: freshSalt(), maxTokens: 1 }, signal);
      if (answer.text === "") break; // the end of the text, which has no words
      steps.push({ text: answer.text, ms: answer.wallMs, computed: answer.receipt.computed_tokens, length: answer.promptTokens });
      computed += answer.receipt.computed_tokens;
      text += answer.text;
      this.without.add(answer.text, steps.length, `${count(computed)} tokens computed`);
    }
    this.without.end(steps.reduce((sum, { ms }) => sum + ms, 0), computed);
    return steps;
  }
}

export const raceLesson = (): Lesson => new RaceLesson();
