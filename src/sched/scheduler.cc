#include "sched/scheduler.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {

// What a block costs its owner in a second, in computed tokens: holding one for 16 seconds is as
// dear as computing its 16 tokens once more.
constexpr double kTokensPerBlockSecond = 1;

}  // namespace

Scheduler::Scheduler(const StepBudget& budget, uint32_t queue_limit, KvCache& cache)
    : budget_(budget),
      cache_(cache),
      roster_(budget.step_sequences),
      admission_({.most_running = budget.step_sequences, .queue_limit = queue_limit}, cache,
                 roster_) {
  QUIRE_CHECK(budget.step_tokens > 0 && budget.prefill_chunk > 0);
  // One row of each running sequence fits into any step: decodes never wait for each other.
  QUIRE_CHECK(budget.step_sequences > 0 && budget.step_sequences <= budget.step_tokens &&
              budget.step_sequences <= budget.step_logit_rows);
  plan_.reserve(budget.step_sequences);
  prefill_turns_.Reserve(budget.step_sequences);
  admission_.OnCostsGuaranteed([this](const Sequence& sequence, uint32_t blocks) {
    Sequence* in_the_way = InTheWayOf(sequence, blocks);
    if (in_the_way != nullptr) Preempt(*in_the_way);
    return in_the_way != nullptr;
  });
}

void Scheduler::AddOwner(const OwnerLimits& limits) {
  roster_.AddOwner(limits);
  admission_.AddOwner();
}

void Scheduler::SetLimits(OwnerId owner, const OwnerLimits& limits) {
  roster_.SetLimits(owner, limits);
}

Result<SequenceId> Scheduler::Submit(SequenceSpec spec) {
  QUIRE_CHECK(!spec.prompt.empty() && spec.choices > 0 && spec.handling.admission_margin >= 0);
  if (const Status verdict = admission_.Check(spec); !verdict) {
    return std::unexpected(verdict.error());
  }
  // What may throw comes first: a refusal for want of memory changes nothing.
  const SequenceId leader{last_id_ + 1};
  Roster::Sequences fresh;
  const uint32_t num_prompt = static_cast<uint32_t>(spec.prompt.size());
  const auto prompt = std::make_shared<const std::vector<TokenId>>(std::move(spec.prompt));
  for (uint32_t i = 0; i < spec.choices; ++i) {
    auto sequence = MakeSequence(spec, num_prompt, {leader, i});
    sequence->prompt = prompt;
    if (i == 0) sequence->num_awaiters = spec.choices - 1;
    fresh.emplace(sequence->id, std::move(sequence));
  }
  admission_.Reserve(roster_.size() + fresh.size());
  roster_.Enter(std::move(fresh));
  last_id_ += spec.choices;
  return leader;
}

std::span<const PlanItem> Scheduler::Plan(TickMs now, const StepRoom& room) {
  QUIRE_CHECK(plan_.empty(), "the last plan was not applied");
  planned_tokens_ = planned_rows_ = 0;
  Pass(now);
  KeepRunning();
  admission_.Admit(preempted_in_plan_);
  PlanDecodes();
  PlanPrefills(room);
  const bool others_hold = roster_.num_running() == 0 && cache_.pool().num_live() > 0;
  QUIRE_CHECK(!plan_.empty() || roster_.size() == 0 || !never_fits().empty() ||
                  num_fetching() > 0 || others_hold,
              "S3: work is left, but the plan is empty");
  CheckPlan();
  return plan_;
}

void Scheduler::Pass(TickMs now) {
  ChargeTime(now);
  cache_.SetTime(now);
  UnpinExpired();
}

std::optional<TickMs> Scheduler::next_unpin() const {
  if (pins_.empty()) return std::nullopt;
  return std::ranges::min(pins_, {}, &Expiry::at).at;
}

// For the memory that was held since the last plan.
void Scheduler::ChargeTime(TickMs now) {
  QUIRE_CHECK(now >= now_, "time went back");
  const double seconds = static_cast<double>(now - now_) / 1000;
  now_ = now;
  if (seconds == 0) return;
  for (Sequence* sequence : roster_.running()) {
    const double block_seconds = sequence->table.size() * seconds;
    sequence->counts.block_seconds += block_seconds;
    roster_.share().Charge(sequence->owner(), block_seconds * kTokensPerBlockSecond);
  }
}

void Scheduler::KeepRunning() {
  preempted_in_plan_ = false;
  for (size_t i = 0; i < roster_.running().size();) {
    Sequence& sequence = *roster_.running()[i];
    const uint32_t wanted = cache_.BlocksFor(sequence.num_tokens());
    Sequence* in_the_way = InTheWayOf(sequence, wanted - std::min(wanted, sequence.table.size()));
    if (in_the_way == nullptr &&
        cache_.Grow(sequence.table, sequence.num_tokens(), EvictionReason::kDecode)) {
      sequence.counts.peak_blocks = std::max(sequence.counts.peak_blocks, sequence.table.size());
      ++i;
      continue;
    }
    Sequence& victim = in_the_way != nullptr ? *in_the_way : VictimFor(sequence);
    if (victim.id < sequence.id) --i;
    Preempt(victim);
    preempted_in_plan_ = true;
  }
}

// The youngest of whoever is furthest beyond its guarantee; but an owner at its limit must make
// room itself.
Sequence& Scheduler::VictimFor(const Sequence& sequence) const {
  const uint32_t blocks = cache_.BlocksFor(sequence.num_tokens()) - sequence.table.size();
  OwnerId owner = sequence.owner();
  if (cache_.IsWithinLimit(owner, blocks)) {
    for (const Sequence* other : roster_.running()) {
      if (cache_.Pressure(other->owner()) > cache_.Pressure(owner)) owner = other->owner();
    }
  }
  const std::span<Sequence* const> running = roster_.running();
  const auto victim = std::ranges::find(running.rbegin(), running.rend(), owner,
                                        [](const Sequence* s) { return s->owner(); });
  return **victim;
}

// Whether there would be so many blocks if all made way that run with more than they were
// guaranteed.
bool Scheduler::CouldMakeWay(OwnerId owner, uint32_t blocks) const {
  uint64_t could = cache_.growth_without_own(owner);
  for (uint32_t i = 0; i < cache_.pool().num_owners(); ++i) {
    const OwnerId other{i};
    if (other == owner || roster_.num_running(other) == 0) continue;
    // What is pinned as well stays when nobody runs with it.
    const auto& counts = cache_.pool().counts(other);
    const uint32_t pinned_live = cache_.num_pins(other) - counts.pinned;
    could += std::min(cache_.in_use_beyond(other), counts.live - pinned_live);
  }
  return could >= blocks;
}

// The youngest of whoever is furthest beyond its guarantee, if so many blocks for `sequence` would
// cost its owner what that was guaranteed; or nullptr.
Sequence* Scheduler::InTheWayOf(const Sequence& sequence, uint32_t blocks) const {
  if (blocks == 0 || !cache_.CostsGuaranteed(sequence.owner(), blocks)) return nullptr;
  if (!CouldMakeWay(sequence.owner(), blocks)) return nullptr;
  Sequence* found = nullptr;
  for (Sequence* other : roster_.running()) {
    const OwnerId owner = other->owner();
    if (owner == sequence.owner() || cache_.in_use_beyond(owner) == 0) continue;
    if (found == nullptr || cache_.Pressure(owner) >= cache_.Pressure(found->owner())) {
      found = other;
    }
  }
  return found;
}

void Scheduler::PlanDecodes() {
  for (Sequence* sequence : roster_.running()) {
    if (sequence->num_to_go() == 1) AddItem(*sequence, 1);
  }
}

void Scheduler::PlanPrefills(const StepRoom& room) {
  const PrefillTurns::Limits limits{.rows = budget_.step_tokens - planned_tokens_,
                                    .logit_rows = budget_.step_logit_rows - planned_rows_,
                                    .chunk = budget_.prefill_chunk};
  for (const auto& chunk :
       prefill_turns_.Divide(roster_.running(), roster_.share(), room, limits)) {
    AddItem(*chunk.sequence, chunk.num_tokens);
  }
}

void Scheduler::AddItem(Sequence& sequence, uint32_t num_tokens) {
  const uint32_t end = sequence.num_computed + num_tokens;
  const uint32_t first_row = std::max(sequence.num_computed, sequence.first_logit_row);
  plan_.push_back({.sequence = sequence.id,
                   .first_token = sequence.num_computed,
                   .num_tokens = num_tokens,
                   .num_logit_rows = end > first_row ? end - first_row : 0,
                   .completes = end == sequence.num_tokens(),
                   .first = !sequence.has_run});
  if (!sequence.has_run) {
    roster_.SetHasRun(sequence, true);
    sequence.counts.cached_tokens = sequence.num_computed;
    sequence.counts.brought_tokens += cache_.TakeBrought(sequence.table) * cache_.block_tokens();
  }
  const uint32_t prompt = sequence.num_prompt;
  const uint32_t start = std::min(sequence.num_computed, prompt);
  sequence.counts.computed_prompt += std::min(end, prompt) - start;
  planned_tokens_ += num_tokens;
  planned_rows_ += plan_.back().num_logit_rows;
}

void Scheduler::Apply(std::span<const Choice> chosen) {
  QUIRE_CHECK(!plan_.empty(), "Apply without a plan");
  size_t next = 0;
  for (const PlanItem& item : plan_) {
    Sequence& sequence = *roster_.Find(item.sequence);
    NoteComputed(sequence, item);
    if (!item.completes) continue;
    QUIRE_CHECK(next < chosen.size(), "a completed sequence got no choice");
    const Choice choice = chosen[next++];
    if (choice.end) {
      sequence.await_ms = choice.await_ms;
      EndAndPassOn(sequence);
      continue;
    }
    QUIRE_CHECK(choice.token != kNoToken && sequence.num_generated() + 1 < sequence.max_tokens,
                "a sequence goes on after its last token");
    sequence.tokens.push_back(choice.token);
  }
  QUIRE_CHECK(next == chosen.size(), "more choices than sequences that wanted one");
  plan_.clear();
}

void Scheduler::Abandon() {
  QUIRE_CHECK(!plan_.empty(), "Abandon without a plan");
  for (const PlanItem& item : plan_) {
    Sequence& sequence = *roster_.Find(item.sequence);
    const uint32_t prompt = sequence.num_prompt;
    sequence.counts.computed_prompt -=
        std::min(item.first_token + item.num_tokens, prompt) - std::min(item.first_token, prompt);
    if (item.first) roster_.SetHasRun(sequence, false);
  }
  plan_.clear();
}

void Scheduler::NoteComputed(Sequence& sequence, const PlanItem& item) {
  const uint32_t end = item.first_token + item.num_tokens;
  QUIRE_CHECK(sequence.num_computed == item.first_token);
  sequence.num_computed = end;
  roster_.share().Charge(sequence.owner(), item.num_tokens);
  sequence.first_logit_row = std::max(sequence.first_logit_row, end);
  if (sequence.store) cache_.Commit(sequence.names, sequence.tokens, end, sequence.table);
  roster_.WakeAwaiters(sequence, end);
}

void Scheduler::Preempt(Sequence& sequence) {
  cache_.Release(sequence.table);
  sequence.num_computed = 0;
  sequence.work_tokens = sequence.num_tokens();
  sequence.asked_below = false;
  ++sequence.counts.preemptions;
  ++num_preemptions_;
  admission_.Retry();
  roster_.StopRunning(sequence);
}

void Scheduler::Cancel(SequenceId id) {
  QUIRE_CHECK(plan_.empty(), "Cancel while a plan is being carried out");
  if (Sequence* sequence = roster_.Find(id); sequence != nullptr) End(*sequence);
}

// Blocks that the prefix cache may not keep would be lost between two choices of a request. So if
// another choice is the next to be admitted, it takes over blocks and place: it needs no more.
void Scheduler::EndAndPassOn(Sequence& sequence) {
  Sequence* heir = admission_.HeirOf(sequence);
  if (heir == nullptr) return End(sequence);
  const uint32_t found_tokens = admission_.TakeBlocks(*heir);
  End(sequence);
  admission_.StartOrRelease(*heir, found_tokens);
}

// What may not be pinned is kept for the same time.
void Scheduler::KeepBlocks(const Sequence& sequence) {
  TickMs keep_ms = sequence.keep_ms;
  if (sequence.pin_ms > 0) {
    PinId pin{};
    if (cache_.Pin(sequence.table, sequence.table.num_named(), pin)) {
      pins_.push_back({now_ + sequence.pin_ms, pin, sequence.pin_group});
    } else {
      keep_ms = std::max(keep_ms, sequence.pin_ms);
    }
  }
  if (keep_ms > 0) cache_.Keep(sequence.table, {.kept_until = now_ + keep_ms});
  if (sequence.await_ms > 0) {
    cache_.Keep(sequence.table, {.awaited_until = now_ + sequence.await_ms});
  }
}

void Scheduler::Unpin(uint64_t group) {
  std::erase_if(pins_, [&](const Expiry& expiry) {
    if (expiry.group != group) return false;
    cache_.Unpin(expiry.pin);
    return true;
  });
}

void Scheduler::DropPin(SequenceId sequence) {
  if (Sequence* found = roster_.Find(sequence); found != nullptr) found->pin_ms = 0;
}

void Scheduler::UnpinExpired() {
  std::erase_if(pins_, [this](const Expiry& expiry) {
    if (expiry.at > now_) return false;
    cache_.Unpin(expiry.pin);
    return true;
  });
}

void Scheduler::Requeue(SequenceId id) {
  QUIRE_CHECK(plan_.empty(), "Requeue while a plan is being carried out");
  Sequence* const sequence = roster_.Find(id);
  if (sequence != nullptr && sequence->state == SequenceState::kRunning) Preempt(*sequence);
}

void Scheduler::Fetched(SequenceId sequence) {
  if (Sequence* found = roster_.Find(sequence); found != nullptr) admission_.Fetched(*found);
}

void Scheduler::End(Sequence& sequence) {
  admission_.Retry();
  admission_.Fetched(sequence);
  KeepBlocks(sequence);
  cache_.Release(sequence.table);
  roster_.Leave(sequence);
}

// Between Apply and Plan the token chosen last may have no place yet.
KvPlaces Scheduler::places() const {
  KvPlaces places;
  for (const Sequence* sequence : roster_.running()) {
    const uint64_t all = uint64_t{sequence->table.size()} * cache_.block_tokens();
    const uint64_t taken = std::min<uint64_t>(sequence->num_tokens(), all);
    places.reserved += taken - sequence->num_computed;
    places.waste += all - taken;
  }
  return places;
}

Scheduler::Decodes Scheduler::decodes() const {
  Decodes decodes;
  for (const Sequence* sequence : roster_.running()) {
    if (sequence->num_to_go() > 1) continue;
    ++decodes.sequences;
    decodes.positions += sequence->num_tokens();
  }
  return decodes;
}

bool Scheduler::prefill_is_behind() const {
  double decodes = 0;  // the clock furthest ahead of owners whose answers are being generated
  double prefills = std::numeric_limits<double>::infinity();
  for (const Sequence* sequence : roster_.running()) {
    const double clock = roster_.share().clock(sequence->owner());
    if (sequence->num_to_go() == 1) decodes = std::max(decodes, clock);
    if (sequence->num_to_go() > 1) prefills = std::min(prefills, clock);
  }
  for (const Sequence* sequence : roster_.waiting().all()) {
    prefills = std::min(prefills, roster_.share().clock(sequence->owner()));
  }
  return prefills < decodes;
}

void Scheduler::CheckPlan() const {
  uint32_t tokens = 0;
  uint32_t rows = 0;
  for (const PlanItem& item : plan_) {
    const Sequence& sequence = Get(item.sequence);
    const uint32_t end = item.first_token + item.num_tokens;
    tokens += item.num_tokens;
    rows += item.num_logit_rows;
    QUIRE_CHECK(item.num_tokens > 0 && end <= sequence.num_tokens(), "S1: an impossible item");
    QUIRE_CHECK(cache_.BlocksFor(end) <= sequence.table.size(), "S2: a token without a block");
  }
  QUIRE_CHECK(tokens <= budget_.step_tokens, "S1: too many tokens");
  QUIRE_CHECK(rows <= budget_.step_logit_rows, "S1: too many logit rows");
  QUIRE_CHECK(plan_.size() <= budget_.step_sequences, "S1: too many sequences");
}

void Scheduler::CheckInvariants() const {
  CheckPlan();
  roster_.CheckInvariants();
  for (const Sequence* sequence : roster_.running()) {
    QUIRE_CHECK(sequence->num_to_go() > 0, "S3: a running sequence has nothing to do");
    QUIRE_CHECK(cache_.BlocksFor(sequence->num_computed) <= sequence->table.size());
  }
}

}  // namespace quire
