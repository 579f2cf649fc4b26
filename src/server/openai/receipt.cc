#include "server/openai/receipt.h"

#include <algorithm>
#include <cmath>

namespace quire {
namespace {

// Microseconds are as fine as these clocks mean anything.
double Milliseconds(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

Receipt Combine(const std::vector<Receipt>& receipts) {
  Receipt all;
  for (const Receipt& one : receipts) {
    all.queue_ms = std::max(all.queue_ms, one.queue_ms);
    all.onboard_ms = std::max(all.onboard_ms, one.onboard_ms);
    all.prefill_ms = std::max(all.prefill_ms, one.prefill_ms);
    all.ttft_ms = std::max(all.ttft_ms, one.ttft_ms);
    all.decode_ms_per_token = std::max(all.decode_ms_per_token, one.decode_ms_per_token);
    all.prompt_tokens += one.prompt_tokens;
    all.cached_tokens += one.cached_tokens;
    all.onboarded_tokens += one.onboarded_tokens;
    all.brought_tokens += one.brought_tokens;
    all.computed_tokens += one.computed_tokens;
    all.generated_tokens += one.generated_tokens;
    all.peak_blocks += one.peak_blocks;
    all.preemptions += one.preemptions;
    all.decode_ms = std::max(all.decode_ms, one.decode_ms);
    all.block_seconds += one.block_seconds;
    all.evicted_ago_ms = all.evicted_ago_ms == 0 || one.evicted_ago_ms == 0
                             ? std::max(all.evicted_ago_ms, one.evicted_ago_ms)
                             : std::min(all.evicted_ago_ms, one.evicted_ago_ms);
    for (size_t i = 0; i < kMissReasons; ++i) all.missed_blocks[i] += one.missed_blocks[i];
  }
  return all;
}

void WriteUsage(const Receipt& receipt, JsonWriter& json) {
  json.BeginObject()
      .Field("prompt_tokens", receipt.prompt_tokens)
      .Field("completion_tokens", receipt.generated_tokens)
      .Field("total_tokens", receipt.prompt_tokens + receipt.generated_tokens);
  json.Key("prompt_tokens_details").BeginObject();
  json.Field("cached_tokens", receipt.cached_tokens).EndObject();
  json.EndObject();
}

void WriteQuire(const Receipt& receipt, const ReceiptNotes& notes, JsonWriter& json) {
  json.BeginObject()
      .Field("request_id", notes.request_id)
      .Field("queue_ms", Milliseconds(receipt.queue_ms))
      .Field("onboard_ms", Milliseconds(receipt.onboard_ms))
      .Field("prefill_ms", Milliseconds(receipt.prefill_ms))
      .Field("ttft_ms", Milliseconds(receipt.ttft_ms))
      .Field("decode_ms_per_token", Milliseconds(receipt.decode_ms_per_token));
  json.Key("cached_tokens").BeginObject();
  json.Field("ram", receipt.ram_tokens())
      .Field("disk", receipt.onboarded_tokens)
      .Field("remote", receipt.brought_tokens)
      .EndObject();
  json.Field("computed_tokens", receipt.computed_tokens)
      .Field("peak_blocks", receipt.peak_blocks)
      .Field("preemptions", receipt.preemptions)
      .Field("numerics", notes.numerics);
  json.Key("ignored").BeginArray();
  for (const std::string& name : notes.ignored) json.String(name);
  json.EndArray();
  if (notes.want_hashes && notes.logit_hashes.size() == 1) {
    json.Field("logit_hash", notes.logit_hashes[0]);
  } else if (notes.want_hashes) {
    json.Key("logit_hashes").BeginArray();
    for (const std::string& hash : notes.logit_hashes) json.String(hash);
    json.EndArray();
  }
  json.EndObject();
}

}  // namespace quire
