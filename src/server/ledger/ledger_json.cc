#include "server/ledger/ledger_json.h"

#include <array>

#include "ledger/arms.h"

namespace quire {
namespace {

using Misses = std::array<uint64_t, kLedgerMisses.size()>;

void WriteReasons(const Misses& missed, JsonWriter& json) {
  json.BeginObject();
  for (size_t i = 0; i < missed.size(); ++i) {
    if (missed[i] > 0) json.Field(kLedgerMisses[i], missed[i]);
  }
  json.EndObject();
}

void WriteAgo(double ms, JsonWriter& json) {
  json.Key("evicted_ago_ms");
  ms > 0 ? json.Number(ms) : json.Null();
}

void WriteTokens(const LedgerTokens& tokens, JsonWriter& json) {
  json.Key("tokens").BeginObject();
  json.Field("prompt", tokens.prompt)
      .Field("ram", tokens.ram)
      .Field("disk", tokens.disk)
      .Field("remote", tokens.remote)
      .Field("computed", tokens.computed)
      .Field("generated", tokens.generated)
      .EndObject();
}

void WriteTimes(const LedgerTimes& ms, JsonWriter& json) {
  json.Field("queue", ms.queue)
      .Field("onboard", ms.onboard)
      .Field("prefill", ms.prefill)
      .Field("decode", ms.decode)
      .Field("first_token", ms.first_token)
      .Field("total", ms.total);
}

}  // namespace

void WriteLedgerRow(const LedgerRow& row, JsonWriter& json) {
  json.BeginObject()
      .Field("id", row.id)
      .Field("request_id", row.request_id)
      .Field("tenant", row.tenant)
      .Field("started_ms", row.started_ms)
      .Field("api", row.api)
      .Field("model", row.model)
      .Field("numerics", row.numerics)
      .Field("route", row.route)
      .Field("version", row.version)
      .Field("retry_of", row.retry_of)
      .Field("outcome", LedgerOutcomeName(row.outcome))
      .Field("verdict", row.verdict)
      .Field("status", row.status)
      .Field("stream", row.stream)
      .Field("choices", row.choices)
      .Field("preemptions", row.preemptions);
  WriteTokens(row.tokens, json);
  json.Key("ms").BeginObject();
  WriteTimes(row.ms, json);
  json.Field("forecast_wait", row.forecast_wait_ms).EndObject();
  json.Key("kv").BeginObject();
  json.Field("peak_blocks", row.kv.peak_blocks)
      .Field("used_bytes", row.kv.used_bytes)
      .Field("forecast_bytes", row.kv.forecast_bytes)
      .Field("byte_seconds", row.kv.byte_seconds)
      .EndObject();
  json.Key("missed").BeginObject().Field("blocks", row.missed_blocks()).Key("by_reason");
  WriteReasons(row.missed, json);
  WriteAgo(row.evicted_ago_ms, json);
  json.EndObject();
  json.Key("label");
  row.label.empty() ? json.Null() : json.String(row.label);
  json.Key("score");
  row.has_score ? json.Number(row.score) : json.Null();
  json.Key("arms").BeginObject();
  VisitArms(row.arms,
            [&](std::string_view lever, std::string_view arm) { json.Field(lever, arm); });
  json.EndObject().EndObject();
}

void WriteLedgerSum(const LedgerSum& sum, JsonWriter& json) {
  json.BeginObject()
      .Field("key", sum.key)
      .Field("requests", sum.requests)
      .Field("answered", sum.answered)
      .Field("cancelled", sum.cancelled)
      .Field("refused", sum.refused)
      .Field("failed", sum.failed)
      .Field("retries", sum.retries)
      .Field("judged", sum.judged)
      .Field("good", sum.good)
      .Field("preemptions", sum.preemptions)
      .Field("kv_byte_seconds", sum.kv_byte_seconds);
  WriteTokens(sum.tokens, json);
  json.Key("ms").BeginObject();
  WriteTimes(sum.ms, json);
  json.EndObject().Key("missed").BeginObject().Key("blocks");
  WriteReasons(sum.missed, json);
  json.Key("requests");
  WriteReasons(sum.missed_requests, json);
  WriteAgo(sum.evicted_ago_ms, json);
  json.EndObject().EndObject();
}

}  // namespace quire
