#include "sched/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {

// Less than this is computed again rather than waited for: it fits beside the decodes of one step.
constexpr uint32_t kLeastAwaitedBlocks = 4;
// Tokens looked up for newcomers in one Plan: at some 40 ns each, about 10 ms.
constexpr uint64_t kAdmitTokens = 1 << 18;

// What a block costs its owner in a second, in computed tokens: holding one for 16 seconds is as
// dear as computing its 16 tokens once more.
constexpr double kTokensPerBlockSecond = 1;

// The last token chosen is never computed, so it needs no KV.
uint64_t TokensWithKv(uint64_t num_prompt, uint64_t max_tokens) {
  return num_prompt + (max_tokens > 0 ? max_tokens - 1 : 0);
}

void InsertByAge(std::vector<Sequence*>& queue, Sequence* sequence) {
  queue.insert(std::ranges::lower_bound(queue, sequence->id, {}, &Sequence::id), sequence);
}

}  // namespace

Scheduler::Scheduler(const StepBudget& budget, uint32_t queue_limit, KvCache& cache)
    : budget_(budget), queue_limit_(queue_limit), cache_(cache) {
  QUIRE_CHECK(budget.step_tokens > 0 && budget.prefill_chunk > 0);
  // One row of each running sequence fits into any step: decodes never wait for each other.
  QUIRE_CHECK(budget.step_sequences > 0 && budget.step_sequences <= budget.step_tokens &&
              budget.step_sequences <= budget.step_logit_rows);
  plan_.reserve(budget.step_sequences);
  running_.reserve(budget.step_sequences);
  prefills_.reserve(budget.step_sequences);
}

void Scheduler::AddOwner(const OwnerLimits& limits) {
  owners_.push_back({.limits = limits});
  closed_.push_back(false);
  share_.AddOwner(limits.weight);
}

void Scheduler::SetLimits(OwnerId owner, const OwnerLimits& limits) {
  owners_[Index(owner)].limits = limits;
  share_.SetWeight(owner, limits.weight);
}

// What S3 rests on: whoever is alone fits.
Status Scheduler::CheckFits(const SequenceSpec& spec) const {
  const uint64_t tokens = TokensWithKv(spec.prompt.size(), spec.max_tokens);
  const uint64_t blocks = (tokens + cache_.block_tokens() - 1) / cache_.block_tokens();
  const uint32_t attainable = cache_.attainable(spec.owner);
  if (blocks <= attainable) return {};
  return Refuse(ErrorCode::kNeverFits,
                fmt::format("{} prompt tokens and {} to generate need {} blocks of {} tokens of KV "
                            "memory; all that can be had is {} blocks ({} tokens)",
                            spec.prompt.size(), spec.max_tokens, blocks, cache_.block_tokens(),
                            attainable, uint64_t{attainable} * cache_.block_tokens()));
}

// Places that are free to run in are no queue. Where there are several owners, each may take as
// much of the queue as it leaves free: a flood finds it full before the others do.
Status Scheduler::CheckQueue(OwnerId owner, uint32_t choices) const {
  const uint64_t room = uint64_t{queue_limit_} + budget_.step_sequences;
  if (num_new_ > 0 && num_sequences() + choices > room) {
    return Refuse(ErrorCode::kOverloaded,
                  fmt::format("{} answers are waiting or being computed", num_sequences()));
  }
  const uint64_t own = share_.work(owner);
  if (owners_.size() > 1 && own > 0 && 2 * own + choices > room - (num_sequences() - own)) {
    return Refuse(ErrorCode::kOverloaded,
                  fmt::format("{} answers of yours are waiting or being computed", own));
  }
  return {};
}

Result<SequenceId> Scheduler::Submit(SequenceSpec spec) {
  QUIRE_CHECK(!spec.prompt.empty() && spec.choices > 0);
  if (const Status fits = CheckFits(spec); !fits) {
    return std::unexpected(fits.error());
  }
  if (const Status queue = CheckQueue(spec.owner, spec.choices); !queue) {
    return std::unexpected(queue.error());
  }
  // What may throw comes first: a refusal for want of memory changes nothing.
  const SequenceId leader{last_id_ + 1};
  std::unordered_map<SequenceId, std::unique_ptr<Sequence>> fresh;
  std::vector<Sequence*> queued;
  const uint32_t num_prompt = static_cast<uint32_t>(spec.prompt.size());
  const OwnerId owner = spec.owner;
  const auto prompt = std::make_shared<const std::vector<TokenId>>(std::move(spec.prompt));
  for (uint32_t i = 0; i < spec.choices; ++i) {
    auto sequence = MakeSequence(spec, num_prompt, {leader, i});
    sequence->prompt = prompt;
    queued.push_back(sequence.get());
    if (i == 0) sequence->num_awaiters = spec.choices - 1;
    fresh.emplace(sequence->id, std::move(sequence));
  }
  const size_t total = sequences_.size() + fresh.size();
  sequences_.reserve(total);
  waiting_.Reserve(total);  // so that a preemption never allocates
  never_fits_.reserve(total);
  for (Sequence* sequence : queued) {
    waiting_.Insert(sequence);
    share_.Enter(owner);
  }
  sequences_.merge(fresh);
  last_id_ += spec.choices;
  num_new_ += spec.choices;
  return leader;
}

std::span<const PlanItem> Scheduler::Plan(TickMs now, uint32_t prefill_tokens) {
  QUIRE_CHECK(plan_.empty(), "the last plan was not applied");
  planned_tokens_ = planned_rows_ = 0;
  never_fits_.clear();
  ChargeTime(now);
  cache_.SetTime(now);
  UnpinExpired();
  KeepRunning();
  Admit();
  PlanDecodes();
  PlanPrefills(std::max(prefill_tokens, 1u));
  QUIRE_CHECK(!plan_.empty() || sequences_.empty() || !never_fits_.empty(),
              "S3: work is left, but the plan is empty");
  CheckPlan();
  return plan_;
}

// For the memory that was held since the last plan.
void Scheduler::ChargeTime(TickMs now) {
  QUIRE_CHECK(now >= now_, "time went back");
  const double seconds = static_cast<double>(now - now_) / 1000;
  now_ = now;
  if (seconds == 0) return;
  for (const Sequence* sequence : running_) {
    share_.Charge(sequence->owner(), sequence->table.size() * seconds * kTokensPerBlockSecond);
  }
}

void Scheduler::KeepRunning() {
  preempted_in_plan_ = false;
  for (size_t i = 0; i < running_.size();) {
    Sequence& sequence = *running_[i];
    if (cache_.Grow(sequence.table, sequence.num_tokens(), EvictionReason::kDecode)) {
      sequence.counts.peak_blocks = std::max(sequence.counts.peak_blocks, sequence.table.size());
      ++i;
      continue;
    }
    Sequence& victim = VictimFor(sequence);
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
    for (const Sequence* other : running_) {
      if (cache_.Pressure(other->owner()) > cache_.Pressure(owner)) owner = other->owner();
    }
  }
  const auto victim = std::ranges::find(running_.rbegin(), running_.rend(), owner,
                                        [](const Sequence* s) { return s->owner(); });
  return **victim;
}

// Blocks that a preemption just won are for those that run, if any are left: whoever was alone and
// had to go is tried once more, and never_fits() if that fails.
void Scheduler::Admit() {
  for (uint32_t i = 0; i < owners_.size(); ++i) {
    closed_[i] = owners_[i].running >= owners_[i].limits.max_running;
  }
  uint64_t tried_tokens = 0;
  bool held_up = false;
  if (preempted_in_plan_ && !running_.empty()) return;
  while (running_.size() < budget_.step_sequences && tried_tokens < kAdmitTokens) {
    Sequence* next = waiting_.Next(share_, closed_);
    if (next == nullptr) return;
    const OwnerId owner = next->owner();
    const Attempt attempt = TryStart(*next, held_up);
    tried_tokens += next->num_tokens();
    closed_[Index(owner)] =
        attempt == Attempt::kNoRoom || attempt == Attempt::kNever ||
        owners_[Index(owner)].running >= owners_[Index(owner)].limits.max_running;
    const uint32_t blocks = cache_.BlocksFor(next->num_tokens());
    if (attempt == Attempt::kNoRoom && cache_.IsWithinLimit(owner, blocks)) held_up = true;
  }
}

Scheduler::Attempt Scheduler::TryStart(Sequence& sequence, bool held_up) {
  // Not tried again with no more room than the last time.
  const int64_t room = int64_t{cache_.available(sequence.owner())} - num_running();
  if (!running_.empty() && sequence.id == blocked_ && room <= blocked_room_) {
    return Attempt::kNoRoom;
  }
  const uint32_t found_tokens = TakeBlocks(sequence);
  sequence.work_tokens = sequence.num_tokens() - found_tokens;
  if (const Prefix prefix = PrefixInWork(sequence, found_tokens); prefix.by != nullptr) {
    cache_.Release(sequence.table);
    Await(sequence, prefix);
    return Attempt::kAwaits;
  }
  if (!HasRoom(sequence, held_up) ||
      !cache_.Grow(sequence.table, sequence.num_tokens(), EvictionReason::kPrefill)) {
    cache_.Release(sequence.table);
    if (running_.empty() && !held_up) {
      never_fits_.push_back(sequence.id);
      return Attempt::kNever;
    }
    blocked_ = sequence.id;
    blocked_room_ = room;
    return Attempt::kNoRoom;
  }
  Start(sequence, found_tokens);
  return Attempt::kStarted;
}

// Besides its own blocks one for each that runs, or the newcomer would be preempted at once. Where
// others are held up, only what its owner was guaranteed.
bool Scheduler::HasRoom(const Sequence& sequence, bool held_up) const {
  const uint32_t missing = cache_.BlocksFor(sequence.num_tokens()) - sequence.table.size();
  const OwnerId owner = sequence.owner();
  const uint64_t used = uint64_t{cache_.pool().counts(owner).used()} + missing;
  if (held_up && used > cache_.quota(owner).guaranteed_blocks) return false;
  return int64_t{cache_.available(owner)} - num_running() >= missing;
}

// From the first start on nothing of a sequence allocates.
void Scheduler::Start(Sequence& sequence, uint32_t found_tokens) {
  const uint64_t most_tokens = uint64_t{sequence.num_prompt} + sequence.max_tokens;
  sequence.tokens.reserve(most_tokens);
  sequence.table.Reserve(cache_.BlocksFor(most_tokens));
  sequence.names.Reserve(cache_.BlocksFor(most_tokens));
  blocked_ = kNoSequence;
  sequence.num_computed = found_tokens;
  sequence.counts.peak_blocks = std::max(sequence.counts.peak_blocks, sequence.table.size());
  sequence.state = SequenceState::kRunning;
  waiting_.Remove(&sequence);
  InsertByAge(running_, &sequence);
  ++owners_[Index(sequence.owner())].running;
}

// Fills the empty table with what need not be computed: from the prefix cache, or from another
// choice if that shares more (it does when blocks are not stored). Returns the tokens found.
uint32_t Scheduler::TakeBlocks(Sequence& sequence) {
  if (sequence.prompt != nullptr) {
    sequence.tokens = *sequence.prompt;
    sequence.prompt.reset();
  }
  const uint32_t found =
      sequence.lookup ? cache_.Match(sequence.names, sequence.tokens, sequence.table) : 0;
  const Sequence* sibling = SiblingOf(sequence);
  if (sibling == nullptr) return found;
  const uint32_t common = std::min({sequence.num_prompt, sequence.num_tokens() - 1,
                                    sequence.first_logit_row, sibling->num_computed});
  const uint32_t shared_blocks = common / cache_.block_tokens();
  if (shared_blocks <= sequence.table.size()) return found;
  cache_.Release(sequence.table);
  cache_.Fork(sibling->table, shared_blocks, sequence.table);
  return shared_blocks * cache_.block_tokens();
}

// The running choice of the same request that has computed most of it, or nullptr.
const Sequence* Scheduler::SiblingOf(const Sequence& sequence) const {
  const Sequence* best = nullptr;
  for (const Sequence* other : running_) {
    if (other->leader != sequence.leader) continue;
    if (best == nullptr || other->num_computed > best->num_computed) best = other;
  }
  return best;
}

// What a running sequence is computing that this one can use, if it is enough more than what was
// found.
Scheduler::Prefix Scheduler::PrefixInWork(const Sequence& sequence, uint32_t found_tokens) const {
  if (!sequence.lookup) return {};
  const uint32_t block = cache_.block_tokens();
  const uint32_t least = found_tokens / block + kLeastAwaitedBlocks;
  const uint32_t usable = (sequence.num_tokens() - 1) / block;
  for (Sequence* other : running_) {
    if (!other->store || other->names.root() != sequence.names.root()) continue;
    const uint32_t limit = std::min(usable, other->num_tokens() / block);
    // Strangers differ early: nothing more of them is hashed.
    if (limit < least || sequence.names.Of(least - 1, sequence.tokens, block) !=
                             other->names.Of(least - 1, other->tokens, block)) {
      continue;
    }
    (void)sequence.names.Of(limit - 1, sequence.tokens, block);
    (void)other->names.Of(limit - 1, other->tokens, block);
    const uint32_t useful = sequence.names.CommonBlocks(other->names, limit) * block;
    if (useful > other->num_computed) return {other, useful};
  }
  return {};
}

void Scheduler::Await(Sequence& sequence, const Prefix& prefix) {
  sequence.awaits = prefix.by->id;
  sequence.awaited_tokens = prefix.tokens;
  ++prefix.by->num_awaiters;
}

void Scheduler::StopWaiting(Sequence& sequence) {
  if (sequence.awaits == kNoSequence) return;
  --Find(sequence.awaits)->num_awaiters;
  sequence.awaits = kNoSequence;
}

void Scheduler::WakeAwaiters(Sequence& awaited, uint32_t computed_tokens) {
  for (size_t i = 0; awaited.num_awaiters > 0 && i < waiting_.size(); ++i) {
    Sequence& sequence = *waiting_.all()[i];
    if (sequence.awaits == awaited.id && sequence.awaited_tokens <= computed_tokens) {
      StopWaiting(sequence);
    }
  }
}

void Scheduler::PlanDecodes() {
  for (Sequence* sequence : running_) {
    if (sequence->num_to_go() == 1) AddItem(*sequence, 1);
  }
}

// In the turn of the waiting queue: owners by their clocks, of one owner the shortest work first,
// where long work gains rank with age.
void Scheduler::PlanPrefills(uint32_t prefill_tokens) {
  prefills_.clear();
  for (Sequence* sequence : running_) {
    if (sequence->num_to_go() == 1) continue;
    sequence->work_tokens = sequence->num_to_go();
    prefills_.push_back(sequence);
  }
  std::ranges::sort(prefills_, {}, [&](const Sequence* s) {
    return std::tuple(share_.clock(s->owner()), Index(s->owner()), RankOf(*s), s->id);
  });
  uint32_t left = std::min(prefill_tokens, budget_.step_tokens - planned_tokens_);
  for (Sequence* sequence : prefills_) {
    const uint32_t rows_left = budget_.step_logit_rows - planned_rows_;
    const uint32_t rowless =
        std::max(sequence->first_logit_row, sequence->num_computed) - sequence->num_computed;
    const uint32_t chunk =
        std::min({sequence->num_to_go(), budget_.prefill_chunk, left, rowless + rows_left});
    if (chunk == 0) continue;
    AddItem(*sequence, chunk);
    left -= chunk;
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
    sequence.has_run = true;
    sequence.counts.cached_tokens = sequence.num_computed;
    --num_new_;
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
    Sequence& sequence = *Find(item.sequence);
    NoteComputed(sequence, item);
    if (!item.completes) continue;
    QUIRE_CHECK(next < chosen.size(), "a completed sequence got no choice");
    const Choice choice = chosen[next++];
    if (choice.end) {
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
    Sequence& sequence = *Find(item.sequence);
    const uint32_t prompt = sequence.num_prompt;
    sequence.counts.computed_prompt -=
        std::min(item.first_token + item.num_tokens, prompt) - std::min(item.first_token, prompt);
    if (!item.first) continue;
    sequence.has_run = false;
    ++num_new_;
  }
  plan_.clear();
}

void Scheduler::NoteComputed(Sequence& sequence, const PlanItem& item) {
  const uint32_t end = item.first_token + item.num_tokens;
  QUIRE_CHECK(sequence.num_computed == item.first_token);
  sequence.num_computed = end;
  share_.Charge(sequence.owner(), item.num_tokens);
  sequence.first_logit_row = std::max(sequence.first_logit_row, end);
  if (sequence.store) cache_.Commit(sequence.names, sequence.tokens, end, sequence.table);
  WakeAwaiters(sequence, end);
}

void Scheduler::Preempt(Sequence& sequence) {
  cache_.Release(sequence.table);
  sequence.num_computed = 0;
  sequence.work_tokens = sequence.num_tokens();
  sequence.state = SequenceState::kWaiting;
  ++sequence.counts.preemptions;
  ++num_preemptions_;
  blocked_ = kNoSequence;
  StopRunning(sequence);
  waiting_.Insert(&sequence);
}

void Scheduler::StopRunning(Sequence& sequence) {
  std::erase(running_, &sequence);
  --owners_[Index(sequence.owner())].running;
}

uint64_t Scheduler::running_work_tokens() const {
  uint64_t tokens = 0;
  for (const Sequence* sequence : running_) tokens += sequence->num_to_go() - 1;
  return tokens;
}

uint64_t Scheduler::waiting_work_tokens() const {
  uint64_t tokens = 0;
  for (const Sequence* sequence : waiting_.all()) tokens += sequence->work_tokens;
  return tokens;
}

void Scheduler::Cancel(SequenceId id) {
  QUIRE_CHECK(plan_.empty(), "Cancel while a plan is being carried out");
  if (Sequence* sequence = Find(id); sequence != nullptr) End(*sequence);
}

// Blocks that the prefix cache may not keep would be lost between two choices of a request. So if
// another choice is the next to be admitted, it takes over blocks and place: it needs no more.
void Scheduler::EndAndPassOn(Sequence& sequence) {
  closed_.assign(owners_.size(), false);
  Sequence* heir = sequence.store && sequence.lookup ? nullptr : waiting_.Next(share_, closed_);
  if (heir == nullptr || heir->leader != sequence.leader) return End(sequence);
  const uint32_t found_tokens = TakeBlocks(*heir);
  End(sequence);
  if (cache_.Grow(heir->table, heir->num_tokens(), EvictionReason::kPrefill)) {
    Start(*heir, found_tokens);
  } else {
    cache_.Release(heir->table);
  }
}

// What may not be pinned is kept for the same time.
void Scheduler::KeepBlocks(const Sequence& sequence) {
  TickMs keep_ms = sequence.keep_ms;
  if (sequence.pin_ms > 0) {
    PinId pin{};
    if (cache_.Pin(sequence.table, sequence.table.num_named(), pin)) {
      pins_.push_back({now_ + sequence.pin_ms, pin});
    } else {
      keep_ms = std::max(keep_ms, sequence.pin_ms);
    }
  }
  if (keep_ms > 0) cache_.Keep(sequence.table, now_ + keep_ms);
}

void Scheduler::UnpinExpired() {
  std::erase_if(pins_, [this](const Expiry& expiry) {
    if (expiry.at > now_) return false;
    cache_.Unpin(expiry.pin);
    return true;
  });
}

void Scheduler::End(Sequence& sequence) {
  blocked_ = kNoSequence;
  StopWaiting(sequence);
  WakeAwaiters(sequence, std::numeric_limits<uint32_t>::max());
  if (!sequence.has_run) --num_new_;
  KeepBlocks(sequence);
  cache_.Release(sequence.table);
  share_.Leave(sequence.owner());
  if (sequence.state == SequenceState::kRunning) {
    StopRunning(sequence);
  } else {
    waiting_.Remove(&sequence);
  }
  sequences_.erase(sequence.id);
}

Sequence* Scheduler::Find(SequenceId id) const {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? nullptr : found->second.get();
}

const Sequence& Scheduler::Get(SequenceId id) const {
  const Sequence* sequence = Find(id);
  QUIRE_CHECK(sequence != nullptr, "no such sequence");
  return *sequence;
}

bool Scheduler::has_decodes() const {
  return std::ranges::any_of(running_, [](const Sequence* s) { return s->num_to_go() == 1; });
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
  QUIRE_CHECK(running_.size() + waiting_.size() == sequences_.size(), "a sequence is lost");
  QUIRE_CHECK(std::ranges::is_sorted(running_, {}, &Sequence::id));
  QUIRE_CHECK(std::ranges::is_sorted(waiting_.all(), {}, &Sequence::id));
  share_.CheckInvariants();
  uint32_t fresh = 0;
  for (const auto& [id, sequence] : sequences_) fresh += !sequence->has_run;
  std::unordered_map<SequenceId, uint32_t> awaiters;
  QUIRE_CHECK(fresh == num_new_, "the count of those that never ran is wrong");
  for (const Sequence* sequence : waiting_.all()) {
    QUIRE_CHECK(sequence->state == SequenceState::kWaiting);
    QUIRE_CHECK(sequence->table.empty() && sequence->num_computed == 0, "S4: it holds blocks");
    if (sequence->awaits == kNoSequence) continue;
    QUIRE_CHECK(Find(sequence->awaits) != nullptr, "S5: it waits for a sequence that is gone");
    ++awaiters[sequence->awaits];
    size_t steps = 0;
    for (const Sequence* s = sequence; s->awaits != kNoSequence; s = Find(s->awaits)) {
      QUIRE_CHECK(++steps <= sequences_.size(), "S5: sequences wait for each other");
    }
  }
  std::vector<uint32_t> running(owners_.size());
  for (const Sequence* sequence : running_) {
    ++running[Index(sequence->owner())];
    QUIRE_CHECK(sequence->state == SequenceState::kRunning);
    QUIRE_CHECK(sequence->num_to_go() > 0, "S3: a running sequence has nothing to do");
    QUIRE_CHECK(cache_.BlocksFor(sequence->num_computed) <= sequence->table.size());
  }
  for (uint32_t i = 0; i < owners_.size(); ++i) {
    QUIRE_CHECK(owners_[i].running == running[i], "an owner's count is wrong");
  }
  for (const auto& [id, sequence] : sequences_) {
    QUIRE_CHECK(sequence->num_awaiters == awaiters[id], "the count of awaiters is wrong");
  }
}

}  // namespace quire
