// Of one request: where its time went and why it had to read what it read.

import { h } from "../dom";
import { bytes, count, milliseconds, plural, seconds, short } from "../format";
import type { LedgerRow } from "./row";

const REASONS: Record<string, string> = {
  never_seen: "never seen before",
  evicted_own: "evicted for this tenant’s own requests",
  evicted_outside: "evicted under pressure from outside",
  other_salt: "known under another cache_salt only",
  other_format: "known in another KV format or of another model only",
  purged: "purged",
  tier_failed: "a tier had it and did not give it",
  tier_busy: "a tier had it, but there was no memory to read it into in time",
  corrupt: "a tier had it damaged",
  break_even: "on disk, but computing was faster",
  not_asked: "the request asked for no look-up",
};

/** Where the time of a request went, as bars one after the other. */
function waterfall(row: LedgerRow): HTMLElement {
  const { queue, onboard, prefill, decode, total } = row.ms;
  const parts: [string, string, number][] = [
    ["waited", "unread", queue],
    ["read from disk", "onboard", onboard],
    ["read the prompt", "computed", prefill],
    ["generated", "generated", decode],
  ];
  const whole = Math.max(total, queue + onboard + prefill + decode, 0.001);
  const table = h("table", { class: "waterfall" }, h("caption", {}, `${milliseconds(total)} in all`));
  let at = 0;
  for (const [name, kind, value] of parts) {
    const bar = h("div", { class: `piece-of-time ${kind}` });
    bar.style.setProperty("--from", `${(100 * at) / whole}%`);
    bar.style.setProperty("--size", `${(100 * value) / whole}%`);
    at += value;
    table.append(h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "lane" }, bar),
      h("td", { class: "number" }, milliseconds(value))));
  }
  return table;
}

function misses({ missed }: LedgerRow): HTMLElement {
  if (missed.blocks === 0) return h("p", {}, "Nothing was missed: every full block of the prompt was found, or it had none.");
  const list = h("ul");
  for (const [reason, blocks] of Object.entries(missed.by_reason).sort((a, b) => b[1] - a[1])) {
    const ago = reason.startsWith("evicted") && missed.evicted_ago_ms !== null
      ? `, the last of them ${seconds(missed.evicted_ago_ms / 1000)} before` : "";
    list.append(h("li", {}, `${plural(blocks, "block")}: ${REASONS[reason] ?? reason}${ago}`));
  }
  return list;
}

function facts(row: LedgerRow): HTMLElement {
  const rows: [string, string][] = [
    ["request", row.request_id], ["tenant", row.tenant], ["model", row.model], ["numerics", row.numerics],
    ["route", row.route || "–"], ["version", row.version || "–"], ["repeats", row.retry_of || "–"],
    ["status", row.status === 0 ? "none sent" : String(row.status)],
    ["outcome", [row.outcome, row.verdict].filter(Boolean).join(": ")],
    ["judged", row.label === null && row.score === null ? "–" : [row.label, row.score].filter((part) => part !== null).join(", ")],
    ["found in memory", plural(row.tokens.ram, "token")], ["found on disk", plural(row.tokens.disk, "token")],
    ["computed", plural(row.tokens.computed, "token")], ["generated", plural(row.tokens.generated, "token")],
    ["wait forecast", milliseconds(row.ms.forecast_wait)], ["preempted", `${row.preemptions}×`],
    ["blocks at most", count(row.kv.peak_blocks)], ["memory at most", bytes(row.kv.used_bytes)],
    ["memory forecast", bytes(row.kv.forecast_bytes)], ["memory × time", `${short(row.kv.byte_seconds / 2 ** 20)} MiB·s`],
  ];
  return h("dl", { class: "receipt" }, ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function detailsOf(row: LedgerRow): HTMLElement[] {
  return [h("h2", {}, `Request ${row.request_id}`),
    h("div", { class: "details-of" }, h("div", {}, h("h3", {}, "Where its time went"), waterfall(row),
      h("h3", {}, "Why it had to compute"), misses(row)), facts(row))];
}
