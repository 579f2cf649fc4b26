#include "ledger/ledger_sums.h"

#include <algorithm>

#include "base/check.h"
#include "ledger/ledger_columns.h"

namespace quire {
namespace {

constexpr std::string_view kSums =
    "count(*), sum(outcome IN ('finished', 'length')), sum(outcome = 'cancelled'), "
    "sum(outcome = 'refused'), sum(outcome = 'error'), sum(retry_of <> ''), "
    "sum(score IS NOT NULL OR label IS NOT NULL), "
    "sum(CASE WHEN score IS NOT NULL THEN score >= 0.5 ELSE ifnull(label = ?, 0) END), "
    "sum(prompt_tokens), sum(ram_tokens), sum(disk_tokens), sum(remote_tokens), "
    "sum(computed_tokens), sum(generated_tokens), sum(queue_ms), sum(onboard_ms), "
    "sum(prefill_ms), sum(decode_ms), sum(first_token_ms), sum(total_ms), sum(kv_byte_seconds), "
    "sum(preemptions), ifnull(avg(CASE WHEN evicted_ago_ms > 0 THEN evicted_ago_ms END), 0)";

std::string SqlOf(const LedgerSumWish& wish) {
  const std::string key = wish.by.empty() ? "''" : std::string(wish.by);
  std::string sql = "SELECT " + key + ", " + std::string(kSums);
  for (const char* column : kMissColumns) {
    sql.append(", sum(").append(column).append("), sum(").append(column).append(" > 0)");
  }
  // Without a GROUP BY there is a row of sums even if nothing was summed.
  sql += " FROM request" + wish.filter.Where() + " GROUP BY " + key;
  return sql + " ORDER BY sum(kv_byte_seconds) DESC, 1 LIMIT ?";
}

LedgerSum SumOf(const Statement& query) {
  int column = 0;
  const auto count = [&] { return static_cast<uint64_t>(query.GetInt(column++)); };
  const auto real = [&] { return query.GetReal(column++); };
  LedgerSum sum;
  sum.key = query.GetText(column++);
  for (uint64_t* field :
       {&sum.requests, &sum.answered, &sum.cancelled, &sum.refused, &sum.failed, &sum.retries,
        &sum.judged, &sum.good, &sum.tokens.prompt, &sum.tokens.ram, &sum.tokens.disk,
        &sum.tokens.remote, &sum.tokens.computed, &sum.tokens.generated}) {
    *field = count();
  }
  for (double* field : {&sum.ms.queue, &sum.ms.onboard, &sum.ms.prefill, &sum.ms.decode,
                        &sum.ms.first_token, &sum.ms.total, &sum.kv_byte_seconds}) {
    *field = real();
  }
  sum.preemptions = count();
  sum.evicted_ago_ms = real();
  for (size_t i = 0; i < kLedgerMisses.size(); ++i) {
    sum.missed[i] = count();
    sum.missed_requests[i] = count();
  }
  return sum;
}

}  // namespace

Result<std::vector<LedgerSum>> SumLedger(const Database& database, const LedgerSumWish& wish) {
  QUIRE_CHECK(wish.by.empty() || std::ranges::find(kLedgerKeys, wish.by) != kLedgerKeys.end());
  const std::string sql = SqlOf(wish);
  Statement query = database.Prepare(sql.c_str());
  query.Text(wish.good_label);
  wish.filter.Bind(query);
  query.Int(int64_t{wish.limit});
  std::vector<LedgerSum> sums;
  for (;;) {
    QUIRE_TRY(const bool row, query.Step());
    if (!row) return sums;
    sums.push_back(SumOf(query));
  }
}

}  // namespace quire
