// The parts of a plan as pictures, each with its numbers beside it.

import { h, setVar } from "../dom";
import { bytes, count, milliseconds, seconds, short } from "../format";
import { BLOCK_TOKENS, type BreakEven, type ContextRow, type Plan } from "./plan_data";

const NONE = "–";
const PARTS = ["--tenant-0", "--tenant-6", "--tenant-4", "--tenant-5", "--tenant-3", "--tenant-7", "--tenant-1", "--pinned", "--kept"];
const number = (text: string): HTMLElement => h("td", { class: "number" }, text);
const rate = (value: number | null): string => (value === null ? NONE : `${short(value)}/s`);
const time = (value: number | null): string =>
  value === null ? NONE : value < 10 ? milliseconds(1000 * value) : seconds(value);

function heads(names: string[]): HTMLElement {
  return h("thead", {}, h("tr", {}, ...names.map((name, i) => name === "" ? h("td") : h("th", { scope: "col", class: i > 0 && "number" }, name))));
}

export function scroll(label: string, ...children: (HTMLElement | string)[]): HTMLElement {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, ...children);
}

/** A bar of `share` of the width there is; says nothing that the number beside it does not. */
export function shareBar(share: number, kind = "plain"): HTMLElement {
  const fill = h("span", { class: `fill ${kind}` });
  setVar(fill, "--share", `${Math.max(0, Math.min(100, 100 * share))}%`);
  return h("span", { class: "gauge", "aria-hidden": "true" }, fill);
}

export function factsOf(plan: Plan): HTMLElement {
  const { model, memory } = plan;
  const rows: [string, string][] = [
    ["Weights", bytes(model.weight_bytes)],
    ["Layers", count(model.layers)],
    ["Query heads", count(model.query_heads)],
    ["KV heads", `${count(model.kv_heads)} × ${count(model.head_dim)}`],
    ["KV of a token", bytes(memory.block_bytes / BLOCK_TOKENS)],
    [`Block of ${BLOCK_TOKENS}`, bytes(memory.block_bytes)],
    ["Room for", `${count(memory.kv_blocks * BLOCK_TOKENS)} tokens`],
    ["The model reads", `${count(model.context)}`],
  ];
  return h("dl", { class: "facts" }, ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** Weights, other fixed parts, KV, and what is left: in order, as wide as they are large. */
export function memoryBar({ memory }: Plan): HTMLElement {
  const kv = memory.kv_bytes + memory.bookkeeping_bytes;
  const parts = memory.fixed.map(({ name, bytes: size }): [string, number] => [name, size]);
  const grows = memory.forecast_bytes - memory.fixed_bytes - kv; // with the KV memory
  if (grows > 0) parts.push(["attention", grows]);
  parts.push(["KV", kv]);
  const left = memory.planned_bytes - memory.forecast_bytes;
  if (left > 0) parts.push(["not used", left]);
  const bar = h("div", { class: "bar memory-parts", "aria-hidden": "true" });
  const legend = h("dl", { class: "legend parts" });
  parts.forEach(([name, size], i) => {
    const kind = name === "KV" ? "--found" : name === "not used" ? "--free" : PARTS[i % PARTS.length];
    const part = h("span", { class: "part" });
    setVar(part, "flex-grow", String(size));
    setVar(part, "background", `var(${kind})`);
    bar.append(part);
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    setVar(swatch, "--swatch", `var(${kind})`);
    legend.append(h("div", {}, h("dt", {}, swatch, name), h("dd", {}, bytes(size))));
  });
  return h("div", {}, bar, legend);
}

export function arithmetic(title: string, rows: { name: string; value: string; arithmetic: string }[]): HTMLElement {
  return h("details", { class: "arithmetic" }, h("summary", {}, title),
    scroll(title, h("table", {}, h("tbody", {}, ...rows.map((row) =>
      h("tr", {}, h("th", { scope: "row" }, row.name), number(row.value), h("td", {}, row.arithmetic)))))));
}

export function formatTable({ formats, kv_format }: Plan): HTMLElement {
  const most = Math.max(...formats.map(({ tokens }) => tokens), 1);
  return h("table", { class: "bars" }, heads(["KV format", "a token", "a block", "tokens that fit", ""]),
    h("tbody", {}, ...formats.map((row) => h("tr", {},
      h("th", { scope: "row" }, row.format, row.format === kv_format && h("span", { class: "note" }, "as planned")),
      number(bytes(row.bytes_per_token)), number(bytes(row.bytes_per_block)), number(count(row.tokens)),
      h("td", { class: "wide" }, shareBar(row.tokens / most, row.format === kv_format ? "found" : "plain"))))));
}

export function rateTable({ contexts }: Plan): HTMLElement {
  const many = (contexts[0]?.sessions ?? []).map(({ sessions }) => sessions).filter((sessions) => sessions > 1);
  const by = (row: ContextRow, sessions: number): string =>
    rate(row.sessions.find((cell) => cell.sessions === sessions)?.tokens_per_second ?? null);
  return h("table", { class: "figures" },
    heads(["Tokens of a session", "first token after", "tokens read", "generated, alone", ...many.map((n) => `${count(n)} together`)]),
    h("tbody", {}, ...contexts.map((row) => h("tr", {}, h("th", { scope: "row" }, count(row.context)),
      number(time(row.first_token_seconds)), number(rate(row.prefill_tokens_per_second)),
      number(rate(row.decode_tokens_per_second)), ...many.map((sessions) => number(by(row, sessions)))))));
}

/** On a scale where each doubling is as wide as the last: computed again up to the border, fetched from there on. */
function evenBar(one: BreakEven, most: number): HTMLElement {
  const place = (tokens: number): number => Math.log2(Math.max(1, tokens / BLOCK_TOKENS));
  const border = one.tokens === null ? place(most) : place(one.tokens);
  const parts = [["computed", border], ["found", place(most) - border]] as const;
  return h("div", { class: "bar even", "aria-hidden": "true" }, ...parts.map(([kind, size]) => {
    const part = h("span", { class: `part ${kind}` });
    setVar(part, "flex-grow", String(Math.max(0, size)));
    return part;
  }));
}

export function breakEvenTable({ break_even, model }: Plan): HTMLElement {
  return h("table", { class: "bars" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "KV that lies in"), h("th", { scope: "col" }, "comes back faster"),
      h("th", { scope: "col", class: "wide" }, h("div", { class: "scale" }, h("span", {}, count(BLOCK_TOKENS)), h("span", {},
        `${count(model.context)} tokens`))))),
    h("tbody", {}, ...break_even.map((one) => h("tr", {}, h("th", { scope: "row" }, one.place),
      h("td", {}, one.tokens === null ? "never: compute it again"
        : one.tokens <= BLOCK_TOKENS ? "always" : `from ${count(one.tokens)} tokens on`),
      h("td", { class: "wide" }, evenBar(one, model.context))))));
}

export function changeTable({ changes }: Plan): HTMLElement {
  const most = Math.max(...changes.map(({ sessions }) => sessions), 1);
  return h("table", { class: "bars changes" }, heads(["With", "KV of a token", "of a session", "generated", "such sessions in RAM"]),
    h("tbody", {}, ...changes.map((change, i) => h("tr", {},
      h("th", { scope: "row" }, change.name, change.remark !== "" && h("span", { class: "remark" }, change.remark)),
      number(bytes(change.kv_bytes_per_token)), number(bytes(change.session_bytes)),
      number(rate(change.decode_tokens_per_second)),
      h("td", { class: "number wide" }, h("div", { class: "with-bar" }, h("span", {}, count(change.sessions)),
        shareBar(change.sessions / most, i === 0 ? "found" : "plain")))))));
}
