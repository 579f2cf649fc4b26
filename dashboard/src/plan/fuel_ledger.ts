// Contexts down, sessions across: each cell says by a word, a sign and a gauge whether they fit.

import { h, setVar } from "../dom";
import { bytes, count, short } from "../format";
import type { Cell, ContextRow, Plan, Verdict } from "./plan_data";

const SIGNS: Record<Verdict, string> = { fits: "✓", tight: "≈", "needs disk": "↧", never: "✕" };
const MEANING: [Verdict, string][] = [
  ["fits", "in RAM, with a tenth to spare"],
  ["tight", "in RAM, and nothing is left to keep for those who come back"],
  ["needs disk", "those who pause wait on disk"],
  ["never", "more than RAM and disk hold, or than the model takes"],
];

const kindOf = (verdict: Verdict): string => verdict.replace(" ", "-");
const sign = (verdict: Verdict): HTMLElement =>
  h("span", { class: `sign ${kindOf(verdict)}`, "aria-hidden": "true" }, SIGNS[verdict]);

export function verdictLegend(): HTMLElement {
  return h("ul", { class: "legend-line verdicts" },
    ...MEANING.map(([verdict, meaning]) => h("li", {}, sign(verdict), h("b", {}, verdict), ` ${meaning}`)));
}

/** How much of the KV memory it takes: beyond all of it, the gauge is full. */
function gauge(cell: Cell, kvBytes: number): HTMLElement {
  const fill = h("span", { class: `fill ${kindOf(cell.verdict)}` });
  setVar(fill, "--share", `${Math.min(100, (100 * cell.kv_bytes) / Math.max(1, kvBytes))}%`);
  return h("span", { class: "gauge", "aria-hidden": "true" }, fill);
}

function cellView(cell: Cell, kvBytes: number): HTMLElement {
  const { verdict } = cell;
  const size = verdict === "needs disk" ? `${bytes(cell.disk_bytes)} on disk` : bytes(cell.kv_bytes);
  return h("td", { class: `verdict ${kindOf(verdict)}` },
    h("span", { class: "word" }, sign(verdict), verdict), gauge(cell, kvBytes),
    h("span", { class: "size" }, size,
      cell.tokens_per_second !== null && `, ${short(cell.tokens_per_second)} tokens/s`));
}

function rowView(row: ContextRow, kvBytes: number): HTMLElement {
  return h("tr", {},
    h("th", { scope: "row", class: "context" }, count(row.context), h("span", { class: "size" }, bytes(row.kv_bytes))),
    ...row.sessions.map((cell) => cellView(cell, kvBytes)));
}

export function fuelLedger({ contexts, memory }: Plan): HTMLElement {
  const sessions = contexts[0]?.sessions ?? [];
  return h("table", { class: "ledger" },
    h("caption", { class: "unseen" }, "Whether so many sessions of such a context fit"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Tokens of a session"),
      ...sessions.map((cell) => h("th", { scope: "col" },
        cell.sessions === 1 ? "1 session" : `${count(cell.sessions)} at once`)))),
    h("tbody", {}, ...contexts.map((row) => rowView(row, memory.kv_bytes))));
}
