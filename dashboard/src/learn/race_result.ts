// What the two runners of the race took: time, tokens computed, multiplications; and each token's time.

import { h, setVar } from "../dom";
import { count, milliseconds, short } from "../format";
import type { ModelFacts, Plan } from "../plan/plan_data";
import { shareBar } from "../plan/plan_views";

export interface Step {
  text: string;
  ms: number;
  computed: number; // tokens that went through the model for it
  length: number; // tokens before it
}

const sum = (steps: Step[], of: (step: Step) => number): number => steps.reduce((all, step) => all + of(step), 0);

/**
 * Multiply-adds of a step: the matrices once for each token computed and once more for the choice, and attention, where
 * the token at place p takes p + 1 keys and as many values in each query head of each layer.
 */
export function multiplyAdds(model: ModelFacts, { computed, length }: Step): number {
  const attention = model.layers * model.query_heads * model.head_dim * 2;
  const first = length - computed;
  const lookedAt = ((first + 1 + length) * computed) / 2;
  return computed * model.multiply_adds.row + model.multiply_adds.choice + attention * lookedAt;
}

interface Line {
  what: string;
  cached: number;
  again: number;
  format: (value: number) => string;
}

export function comparison(cached: Step[], again: Step[], same: boolean, plan: Plan | undefined): HTMLElement {
  const both = Math.min(cached.length, again.length);
  const lines: Line[] = [
    { what: "Time", cached: sum(cached, ({ ms }) => ms), again: sum(again, ({ ms }) => ms), format: milliseconds },
    { what: "Tokens that went through the model", cached: sum(cached, ({ computed }) => computed),
      again: sum(again, ({ computed }) => computed), format: count },
  ];
  if (plan) {
    const work = (steps: Step[]) => sum(steps, (step) => multiplyAdds(plan.model, step));
    lines.push({ what: "Multiplications", cached: work(cached), again: work(again), format: short });
  }
  const table = h("table", { class: "bars race" },
    h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col" }, "with a KV cache"),
      h("th", { scope: "col" }, "without"),
      h("th", { scope: "col", class: "number" }, "saved"))),
    h("tbody", {}, ...lines.map(({ what, cached: one, again: other, format }) => {
      const most = Math.max(one, other, 1e-9);
      const bar = (value: number, kind: string) => h("td", {}, h("b", {}, format(value)), shareBar(value / most, kind));
      return h("tr", {}, h("th", { scope: "row" }, what), bar(one, "found"), bar(other, "computed"),
        h("td", { class: "number" }, h("b", {}, `${(other / Math.max(one, 1e-9)).toFixed(1)}×`)));
    })));
  return h("div", {},
    h("p", { class: "verdict-line" }, h("span", { class: `sign ${same ? "fits" : "never"}`, "aria-hidden": "true" }, same ? "✓" : "✕"),
      same ? `The same ${count(both)} tokens, to the letter: the cache changes what it costs, never what is said.`
        : "The two texts differ. They were cut into tokens otherwise when they were sent back as text: try another beginning."),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "With and without" }, table),
    !plan && h("p", { class: "hint" }, "How many multiplications that are is told to operators only."));
}

/** A pair of columns a token, on one scale. */
export function columns(cached: Step[], again: Step[]): HTMLElement {
  const most = Math.max(...cached.map(({ ms }) => ms), ...again.map(({ ms }) => ms), 1e-3);
  const column = (step: Step | undefined, kind: string) => {
    const one = h("span", { class: `column ${kind}` });
    setVar(one, "--height", `${(100 * (step?.ms ?? 0)) / most}%`);
    return one;
  };
  const picture = h("div", { class: "columns", "aria-hidden": "true" }, ...again.map((step, i) =>
    h("div", { class: "pair", title: `${i + 1}. “${step.text}”: ${milliseconds(cached[i]?.ms ?? NaN)} and ${milliseconds(step.ms)}` },
      column(cached[i], "found"), column(step, "computed"))));
  const swatch = (kind: string, text: string) => h("li", {}, h("span", { class: `swatch part ${kind}`, "aria-hidden": "true" }), text);
  return h("div", {},
    h("ul", { class: "legend-line" }, swatch("found", "with a KV cache"), swatch("computed", "without"),
      h("li", {}, `the highest: ${milliseconds(most)}`)),
    picture,
    h("details", { class: "arithmetic" }, h("summary", {}, "As a table"),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Time of each token" }, h("table", {},
        h("thead", {}, h("tr", {}, ...["Token", "Text", "with", "computed", "without", "computed"].map((text, i) =>
          h("th", { scope: "col", class: i > 1 && "number" }, text)))),
        h("tbody", {}, ...again.map((step, i) => h("tr", {}, h("th", { scope: "row" }, i + 1), h("td", {}, step.text),
          ...[cached[i], step].flatMap((one) => [h("td", { class: "number" }, milliseconds(one?.ms ?? NaN)),
            h("td", { class: "number" }, count(one?.computed ?? NaN))]))))))));
}
