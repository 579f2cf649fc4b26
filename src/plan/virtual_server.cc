#include "plan/virtual_server.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "cache/eviction/random_draw.h"

namespace quire {

namespace {

constexpr uint32_t kVocabulary = 50'000;

TokenId TokenAfter(const Sequence& sequence) {
  const uint64_t last = static_cast<uint64_t>(sequence.tokens.back());
  return static_cast<TokenId>(MixBits(last << 32 | sequence.num_tokens()) % kVocabulary);
}

}  // namespace

VirtualServer::VirtualServer(const VirtualServerOptions& options, OnEnd on_end)
    : options_(options),
      on_end_(std::move(on_end)),
      cache_(options.cache, MakeEvictionPolicy(options.eviction, options.cache.capacity_blocks)),
      scheduler_(options.budget, options.queue_limit, cache_) {}

OwnerId VirtualServer::AddOwner(const Quota& quota, const OwnerLimits& limits) {
  scheduler_.AddOwner(limits);
  return cache_.AddOwner(quota);
}

Result<SequenceId> VirtualServer::Submit(SequenceSpec spec) {
  spec.arrival = now();
  const uint32_t choices = spec.choices;
  const auto id = scheduler_.Submit(std::move(spec));
  if (!id) return id;
  for (uint32_t i = 0; i < choices; ++i) {
    open_[SequenceId{static_cast<uint64_t>(*id) + i}] = {.arrival_ms = now_ms_};
  }
  return id;
}

void VirtualServer::Cancel(SequenceId sequence) {
  if (!open_.contains(sequence)) return;
  Report(sequence, RequestEnd::kCancelled);
  scheduler_.Cancel(sequence);
}

// Sequences that can never run any more are over; the others go on.
std::span<const PlanItem> VirtualServer::Plan() {
  const uint32_t prefill =
      scheduler_.has_decodes() ? options_.prefill_beside_decodes : options_.budget.step_tokens;
  while (true) {
    const std::span<const PlanItem> plan = scheduler_.Plan(now(), prefill);
    if (!plan.empty() || scheduler_.never_fits().empty()) return plan;
    const std::vector<SequenceId> lost(scheduler_.never_fits().begin(),
                                       scheduler_.never_fits().end());
    for (const SequenceId sequence : lost) {
      Report(sequence, RequestEnd::kNeverFits);
      scheduler_.Cancel(sequence);
    }
  }
}

void VirtualServer::PassTime(std::span<const PlanItem> plan) {
  if (after_plan_) after_plan_();
  const VirtualRates& rates = options_.rates;
  uint64_t rows = 0;
  for (const PlanItem& item : plan) {
    const double before = item.first_token + item.num_tokens / 2.0;
    now_ms_ += item.num_tokens * before *
               (item.num_tokens == 1 ? rates.decode_position_ms : rates.position_ms);
    rows += item.num_tokens;
  }
  now_ms_ += rates.step_ms + 1000 * static_cast<double>(rows) / rates.prefill_tokens_per_s;
  ++num_steps_;
}

bool VirtualServer::Step() {
  const std::span<const PlanItem> plan = Plan();
  if (plan.empty()) return false;
  PassTime(plan);
  choices_.clear();
  for (const PlanItem& item : plan) {
    if (!item.completes) continue;
    const Sequence& sequence = scheduler_.Get(item.sequence);
    Open& open = open_.at(item.sequence);
    const bool chooses = sequence.max_tokens > 0;
    if (chooses && open.first_token_ms < 0) open.first_token_ms = now_ms_;
    const bool end = sequence.num_generated() + 1 >= sequence.max_tokens;
    const TickMs await_ms = end ? Report(item.sequence, RequestEnd::kDone) : 0;
    choices_.push_back(
        {.token = chooses ? TokenAfter(sequence) : kNoToken, .end = end, .await_ms = await_ms});
  }
  scheduler_.Apply(choices_);
  return true;
}

bool VirtualServer::StepInVain() {
  const std::span<const PlanItem> plan = Plan();
  if (plan.empty()) return false;
  PassTime(plan);
  scheduler_.Abandon();
  return true;
}

void VirtualServer::WaitUntil(double ms) { now_ms_ = std::max(now_ms_, ms); }

TickMs VirtualServer::Report(SequenceId id, RequestEnd end) {
  const auto found = open_.find(id);
  QUIRE_CHECK(found != open_.end(), "a request ended twice");
  const Sequence& sequence = scheduler_.Get(id);
  ServedRequest served{.id = id,
                       .owner = sequence.owner(),
                       .end = end,
                       .arrival_ms = found->second.arrival_ms,
                       .first_token_ms = found->second.first_token_ms,
                       .end_ms = now_ms_,
                       .prompt_tokens = sequence.num_prompt,
                       .cached_tokens = sequence.counts.cached_tokens,
                       .preemptions = sequence.counts.preemptions,
                       .tokens = sequence.tokens};
  open_.erase(found);
  on_end_(served);
  return keep_ && end == RequestEnd::kDone ? keep_(served) : 0;
}

void VirtualServer::CheckInvariants() const {
  cache_.CheckInvariants();
  scheduler_.CheckInvariants();
  QUIRE_CHECK(open_.size() == scheduler_.num_sequences(), "a request is lost");
}

}  // namespace quire
