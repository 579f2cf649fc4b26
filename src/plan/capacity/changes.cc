#include "plan/capacity/changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/size.h"

namespace quire {
namespace {

constexpr uint32_t kGroupedHeads = 8;  // KV heads of most models with grouped queries

uint64_t BlocksOf(uint64_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

// What attention is like: the values that a token leaves in each layer decide all of it.
struct Kind {
  std::string name;
  double token_bytes;
  uint32_t kept_tokens;  // of a session at most; 0: all
  double read_share;     // of what a step of the plan as it is reads for a token of context
  std::string remark;
};

class ChangeList {
 public:
  ChangeList(const ModelShape& shape, const CapacityPlan& plan, const StepForecast* times)
      : shape_(shape), plan_(plan), times_(times), context_(LongestRunning(shape, plan)) {}

  void Add(const Kind& kind) {
    const uint32_t kept = kind.kept_tokens == 0 ? context_ : std::min(context_, kind.kept_tokens);
    Change change{.name = kind.name, .kv_token_bytes = kind.token_bytes, .remark = kind.remark};
    const double block = kind.token_bytes * kBlockTokens;
    change.context_bytes = static_cast<uint64_t>(static_cast<double>(BlocksOf(kept)) * block);
    change.sessions =
        plan_.memory.BlocksIn(plan_.memory_bytes, static_cast<uint64_t>(block)) / BlocksOf(kept);
    if (times_ != nullptr) {
      const double without = times_->DecodeSeconds(1, 0);
      const double with = times_->DecodeSeconds(1, kept - 1);
      change.next_token = without + (with - without) * kind.read_share;
    }
    changes_.push_back(std::move(change));
  }

  // The same with other times of attention.
  void AddFormat(const Kind& kind, const StepForecast& times) {
    Add(kind);
    changes_.back().next_token = times.DecodeSeconds(1, context_ - 1);
  }

  uint32_t context() const { return context_; }
  std::vector<Change> Take() { return std::move(changes_); }

 private:
  // The longest context asked for that the model has.
  static uint32_t LongestRunning(const ModelShape& shape, const CapacityPlan& plan) {
    uint32_t longest = 0;
    for (const ContextRow& row : plan.rows) longest = std::max(longest, row.context);
    return std::min(longest, shape.config.context_length);
  }

  const ModelShape& shape_;
  const CapacityPlan& plan_;
  const StepForecast* const times_;
  const uint32_t context_;
  std::vector<Change> changes_;
};

double TokenBytes(const KvShape& kv) {
  return static_cast<double>(kv.block_bytes()) / kBlockTokens;
}

void AddFormats(const ModelShape& shape, const CapacityPlan& plan, const StepForecast* times,
                ChangeList& list) {
  const double now = TokenBytes(shape.kv(plan.kv_format));
  const std::pair<KvFormat, const char*> kFormats[] = {
      {KvFormat::kF16, "keys and values as 16 bit floats: what others are measured by"},
      {KvFormat::kK16V8, "values in 8 bits: no measured model says anything else for it"},
      {KvFormat::kQ8, "keys in 8 bits too: measure what your model makes of it"}};
  for (const auto& [format, remark] : kFormats) {
    if (format == plan.kv_format) continue;
    const double bytes = TokenBytes(shape.kv(format));
    const Kind kind{std::string(KvFormatName(format)), bytes, 0, bytes / now, remark};
    if (times == nullptr || !times->times().attention.contains(format)) {
      list.Add(kind);
    } else {
      list.AddFormat(kind, StepForecast(shape, times->times(), format, {}));
    }
  }
}

void AddHeads(const ModelShape& shape, const CapacityPlan& plan, ChangeList& list) {
  const ModelConfig& config = shape.config;
  const double now = TokenBytes(shape.kv(plan.kv_format));
  const auto add = [&](const char* kind, uint32_t heads, const char* remark) {
    if (heads == config.kv_heads || config.query_heads % heads != 0) return;
    const double share = double{1} * heads / config.kv_heads;
    list.Add({fmt::format("{}: {} KV head{}", kind, heads, heads == 1 ? "" : "s"), now * share, 0,
              share, remark});
  };
  add("MHA", config.query_heads, "every query head with keys and values of its own");
  if (config.query_heads > kGroupedHeads) {
    add("GQA", kGroupedHeads, "groups of query heads share theirs");
  }
  add("MQA", 1, "all query heads share one");
  // DeepSeek's proportions: a latent of four heads' width, and half a head that carries positions.
  const double latent = 4.5 * config.head_dim;
  const double values = 2.0 * config.kv_heads * config.head_dim;
  list.Add({fmt::format("MLA: a latent of {:g}", latent), now * latent / values, 0, latent / values,
            "one latent for all heads, unfolded when it is read"});
}

}  // namespace

std::vector<Change> Changes(const ModelShape& shape, const CapacityPlan& plan,
                            const StepForecast* times) {
  ChangeList list(shape, plan, times);
  const double now = TokenBytes(shape.kv(plan.kv_format));
  list.Add({fmt::format("as it is: {}, {} KV heads", KvFormatName(plan.kv_format),
                        shape.config.kv_heads),
            now, 0, 1, ""});
  AddFormats(shape, plan, times, list);
  const uint32_t window = list.context() / 4 / kBlockTokens * kBlockTokens;
  if (window > 0) {
    list.Add({fmt::format("a window of {} tokens", window), now, window, 1,
              "a stream session: what is older is dropped, and half a window read again at times"});
  }
  AddHeads(shape, plan, list);
  return list.Take();
}

}  // namespace quire
