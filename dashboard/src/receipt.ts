// The receipt of an answer: where its prompt came from, and what its time went to.

import { h } from "./dom";
import { count, milliseconds, percent } from "./format";

export interface Receipt {
  request_id: string;
  queue_ms: number;
  onboard_ms: number;
  prefill_ms: number;
  ttft_ms: number;
  decode_ms_per_token: number;
  cached_tokens: { ram: number; disk: number; remote: number };
  computed_tokens: number;
  peak_blocks: number;
  preemptions: number;
  numerics: string;
}

export function foundTokens({ cached_tokens: { ram, disk, remote } }: Receipt): number {
  return ram + disk + remote;
}

export function receiptView(receipt: Receipt, generated: number): HTMLElement {
  const found = foundTokens(receipt);
  const prompt = found + receipt.computed_tokens;
  const rows: [string, string][] = [
    ["found in memory", count(receipt.cached_tokens.ram)],
    ["found on disk", count(receipt.cached_tokens.disk)],
    ["computed", count(receipt.computed_tokens)],
    ["generated", count(generated)],
    ["waited", milliseconds(receipt.queue_ms)],
    ["read from disk in", milliseconds(receipt.onboard_ms)],
    ["read the prompt in", milliseconds(receipt.prefill_ms)],
    ["first token after", milliseconds(receipt.ttft_ms)],
    ["then, a token", milliseconds(receipt.decode_ms_per_token)],
    ["blocks at most", count(receipt.peak_blocks)],
    ["preempted", `${count(receipt.preemptions)}×`],
    ["numerics", receipt.numerics],
    ["request", receipt.request_id],
  ];
  const details = h("dl", { class: "receipt" });
  for (const [name, value] of rows) details.append(h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  return h("details", { class: "receipt-of" },
    h("summary", {}, `${count(found)} of ${count(prompt)} prompt tokens found (${percent(found, prompt)}), ` +
      `first token after ${milliseconds(receipt.ttft_ms)}`),
    details);
}
