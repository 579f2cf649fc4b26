// A prompt cut into its blocks, each marked by where its KV came from.

import { h, type Child } from "../dom";
import type { Receipt } from "../receipt";
import { BLOCK_TOKENS } from "../plan/plan_data";
import { textOf, tokensOf } from "./ask";

export type Source = "ram" | "disk" | "remote" | "computed";

export interface TextBlock {
  text: string;
  tokens: number;
  source: Source;
}

const WORDS: Record<Source, string> = { ram: "found in memory", disk: "found on disk", remote: "found elsewhere", computed: "computed" };
const SIGNS: Record<Source, string> = { ram: "✓", disk: "↥", remote: "⇄", computed: "+" };

/** Blocks are found from the first one on: those in memory, behind them those on disk. */
function sourceAt(token: number, { cached_tokens: { ram, disk, remote } }: Receipt): Source {
  if (token < ram) return "ram";
  if (token < ram + disk) return "disk";
  return token < ram + disk + remote ? "remote" : "computed";
}

/** Texts of blocks that were seen before need not be asked for again. */
const known = new Map<string, string>();

async function textOfBlock(tokens: number[], signal: AbortSignal): Promise<string> {
  const key = tokens.join();
  let text = known.get(key);
  if (text === undefined) {
    text = await textOf(tokens, signal);
    if (known.size > 2000) known.clear();
    known.set(key, text);
  }
  return text;
}

export async function blocksOf(prompt: string, receipt: Receipt, signal: AbortSignal): Promise<TextBlock[]> {
  const tokens = await tokensOf(prompt, true, signal);
  const starts = Array.from({ length: Math.ceil(tokens.length / BLOCK_TOKENS) }, (_, i) => i * BLOCK_TOKENS);
  return Promise.all(starts.map(async (start) => {
    const own = tokens.slice(start, start + BLOCK_TOKENS);
    return { text: await textOfBlock(own, signal), tokens: own.length, source: sourceAt(start, receipt) };
  }));
}

export function blockList(blocks: TextBlock[]): HTMLElement {
  return h("ol", { class: "text-blocks" }, ...blocks.map(({ text, tokens, source }, i) => {
    const part = tokens < BLOCK_TOKENS;
    const name = `block ${i + 1}, ${WORDS[source]}${part ? `, unfinished: ${tokens} of ${BLOCK_TOKENS} tokens` : ""}: `;
    return h("li", { class: `text-block ${source}${part ? " part-of" : ""}`, title: name.slice(0, -2) },
      h("span", { class: "unseen" }, name),
      h("span", { class: "sign-of", "aria-hidden": "true" }, `${i + 1} ${SIGNS[source]}`),
      h("span", { class: "text" }, text.replaceAll("\n", "↵")));
  }));
}

export function blockLegend(): HTMLElement {
  const one = (source: Source, ...text: Child[]) => h("li", {},
    h("span", { class: `text-block key ${source}`, "aria-hidden": "true" }, SIGNS[source]), ...text);
  const open = h("li", {}, h("span", { class: "text-block key computed part-of", "aria-hidden": "true" }, "+"),
    `not full yet: fewer than ${BLOCK_TOKENS} tokens`);
  return h("ul", { class: "legend-line" }, one("ram", WORDS.ram), one("disk", WORDS.disk), one("computed", "computed just now"), open);
}
