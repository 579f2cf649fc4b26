// ledger/ledger_columns.h -- the columns of the table `request`, in order, and what of a row is in
// each.
//
// One list from which rows are written, read and printed; docs/formats.md says what they mean.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "ledger/ledger_row.h"

namespace quire {

inline constexpr std::array<const char*, kLedgerMisses.size()> kMissColumns = {
    "miss_never_seen", "miss_evicted_own", "miss_evicted_outside", "miss_other_salt",
    "miss_purged",     "miss_tier_failed", "miss_tier_busy",       "miss_corrupt",
    "miss_break_even", "miss_not_asked"};

// Calls visit(name, field) for each; `Row` is LedgerRow, const or not. The first one is `id`, and
// `label` and `score` are not among them: they are written later.
template <typename Row, typename Visit>
void VisitColumns(Row& row, Visit&& visit) {
  visit("id", row.id);
  visit("request_id", row.request_id);
  visit("tenant", row.tenant);
  visit("generation", row.generation);
  visit("started_ms", row.started_ms);
  visit("api", row.api);
  visit("model", row.model);
  visit("numerics", row.numerics);
  visit("route", row.route);
  visit("version", row.version);
  visit("retry_of", row.retry_of);
  visit("outcome", row.outcome);
  visit("verdict", row.verdict);
  visit("status", row.status);
  visit("stream", row.stream);
  visit("choices", row.choices);
  visit("prompt_tokens", row.tokens.prompt);
  visit("ram_tokens", row.tokens.ram);
  visit("disk_tokens", row.tokens.disk);
  visit("remote_tokens", row.tokens.remote);
  visit("computed_tokens", row.tokens.computed);
  visit("generated_tokens", row.tokens.generated);
  visit("queue_ms", row.ms.queue);
  visit("onboard_ms", row.ms.onboard);
  visit("prefill_ms", row.ms.prefill);
  visit("decode_ms", row.ms.decode);
  visit("first_token_ms", row.ms.first_token);
  visit("total_ms", row.ms.total);
  visit("forecast_wait_ms", row.forecast_wait_ms);
  visit("peak_blocks", row.kv.peak_blocks);
  visit("kv_used_bytes", row.kv.used_bytes);
  visit("kv_forecast_bytes", row.kv.forecast_bytes);
  visit("kv_byte_seconds", row.kv.byte_seconds);
  visit("preemptions", row.preemptions);
  for (size_t i = 0; i < row.missed.size(); ++i) visit(kMissColumns[i], row.missed[i]);
  visit("evicted_ago_ms", row.evicted_ago_ms);
  visit("arms", row.arms);
}

// "id,request_id,...,label,score": all columns of the table.
std::string LedgerColumnList();

}  // namespace quire
