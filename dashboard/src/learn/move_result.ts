// What both ways took until the first word: the memory handed over, and starting over.

import { announce, h, panel } from "../dom";
import { count, milliseconds, plural } from "../format";
import { shareBar } from "../plan/plan_views";
import { foundTokens } from "../receipt";
import type { Answer } from "./ask";

export interface Step {
  what: string;
  ms: number;
  about: string;
}

export interface Moved {
  steps: Step[]; // of handing over, before the question
  together: string; // what the time of handing over comprises
  where: string; // " at b", or nothing
  asked: Answer;
  over: Answer;
  honest: string;
}

/** "812 tokens found, 800 of them came from elsewhere, 9 computed" */
export function foundAndComputed({ receipt }: Answer): string {
  const { remote } = receipt.cached_tokens;
  return `${plural(foundTokens(receipt), "token")} found${remote > 0 ? ` (${count(remote)} remote)` : ""}, ` +
    `${count(receipt.computed_tokens)} computed`;
}

export function movedView(all: Moved): HTMLElement {
  const { asked, over, where } = all;
  const handed = all.steps.reduce((sum, { ms }) => sum + ms, 0) + asked.firstMs;
  const anew = over.firstMs;
  const most = Math.max(handed, anew);
  const same = over.text === asked.text;
  const row = ({ what, ms, about }: Step, kind: string, strong = false) => h("tr", {},
    h("th", { scope: "row" }, strong ? h("b", {}, what) : what, h("span", { class: "remark" }, about)),
    h("td", { class: "number" }, strong ? h("b", {}, milliseconds(ms)) : milliseconds(ms)),
    h("td", { class: "wide" }, shareBar(ms / most, kind)));
  announce(`Starting over took ${milliseconds(anew)}, handed over ${milliseconds(handed)}`);
  return panel("Until the first word of the answer", "",
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Handed over and starting over" },
      h("table", { class: "bars" }, h("tbody", {},
        row({ what: `Starting over${where}`, ms: anew, about: `${plural(over.receipt.computed_tokens, "token")} computed` }, "computed", true),
        row({ what: "With the memory handed over", ms: handed, about: `${foundAndComputed(asked)}; ${all.together} together` }, "found", true),
        ...all.steps.map((step, i) => row({ ...step, what: `${i === 0 ? "of that, " : ""}${step.what}` }, "plain")),
        row({ what: "answering", ms: asked.firstMs, about: "once the memory is there" }, "plain")))),
    h("p", { class: "verdict-line" }, h("span", { class: `sign ${same ? "fits" : "never"}`, "aria-hidden": "true" }, same ? "✓" : "✕"),
      same ? `The same answer both times: “${asked.text.trim()}”` : `Two answers: “${asked.text.trim()}” and “${over.text.trim()}”`),
    h("p", { class: "hint" }, `${all.honest} Whether it is worth its way depends on the model and the line: a larger model takes far ` +
      "longer to compute a token, while its KV grows more slowly. The page Plan says from where on."));
}
