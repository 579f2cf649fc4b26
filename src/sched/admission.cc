#include "sched/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace quire {

namespace {

// Less than this is computed again rather than waited for: it fits beside the decodes of one step.
constexpr uint32_t kLeastAwaitedBlocks = 4;
// Tokens looked up for newcomers in one step: at some 40 ns each, about 10 ms.
constexpr uint64_t kAdmitTokens = 1 << 18;
// So long a newcomer leaves alone what is awaited.
constexpr TickMs kPatienceMs = 10'000;

// The last token chosen is never computed, so it needs no KV.
uint64_t TokensWithKv(uint64_t num_prompt, uint64_t max_tokens) {
  return num_prompt + (max_tokens > 0 ? max_tokens - 1 : 0);
}

}  // namespace

Admission::Admission(const Limits& limits, KvCache& cache, Roster& roster)
    : limits_(limits), cache_(cache), roster_(roster) {}

// Whoever is alone fits: the scheduler's progress rests on it.
Status Admission::CheckFits(const SequenceSpec& spec) const {
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
Status Admission::CheckQueue(OwnerId owner, uint32_t choices) const {
  const uint64_t room = uint64_t{limits_.queue_limit} + limits_.most_running;
  const uint64_t there = roster_.size();
  if (roster_.num_new() > 0 && there + choices > room) {
    return Refuse(ErrorCode::kOverloaded,
                  fmt::format("{} answers are waiting or being computed", there));
  }
  const uint64_t own = roster_.share().work(owner);
  if (roster_.num_owners() > 1 && own > 0 && 2 * own + choices > room - (there - own)) {
    return Refuse(ErrorCode::kOverloaded,
                  fmt::format("{} answers of yours are waiting or being computed", own));
  }
  return {};
}

Status Admission::Check(const SequenceSpec& spec) const {
  if (Status fits = CheckFits(spec); !fits) return fits;
  return CheckQueue(spec.owner, spec.choices);
}

void Admission::Reserve(size_t sequences) { never_fits_.reserve(sequences); }

void Admission::Admit(bool preempted) {
  never_fits_.clear();
  if (preempted && roster_.num_running() > 0) return;
  closed_.assign(closed_.size(), false);
  uint64_t tried_tokens = 0;
  bool held_up = made_way_ = false;
  roster_.EndPuttingOff();
  while (!made_way_ && roster_.num_running() < limits_.most_running &&
         tried_tokens < kAdmitTokens) {
    Sequence* next = roster_.waiting().Next(roster_.share(), closed_);
    if (next == nullptr) return;
    const OwnerId owner = next->owner();
    if (!roster_.MayRunMore(owner)) {
      closed_[Index(owner)] = true;
      continue;
    }
    if (MayWait(*next) && RoomBesideAwaited(owner) <= next->put_off_room) {
      next->put_off = true;
      continue;
    }
    const Attempt attempt = TryStart(*next, held_up);
    tried_tokens += next->num_tokens();
    closed_[Index(owner)] = attempt == Attempt::kNoRoom || attempt == Attempt::kNever;
    const uint32_t blocks = cache_.BlocksFor(next->num_tokens());
    if (attempt == Attempt::kNoRoom && cache_.IsWithinLimit(owner, blocks)) held_up = true;
  }
  // In vain for whoever they made way for, and nobody is left: somebody has to start, or to be
  // told.
  if (made_way_ && roster_.num_running() == 0 && num_fetching_ == 0) Admit(false);
}

Admission::Attempt Admission::TryStart(Sequence& sequence, bool held_up) {
  // Not tried again with no more room than the last time.
  const bool alone = roster_.num_running() == 0;
  const int64_t room = RoomFor(sequence.owner());
  if (!alone && sequence.id == blocked_ && room <= blocked_room_) return Attempt::kNoRoom;
  const uint32_t found_tokens = TakeBlocks(sequence);
  sequence.work_tokens = sequence.num_tokens() - found_tokens;
  if (const Prefix prefix = PrefixInWork(sequence, found_tokens); prefix.by != nullptr) {
    cache_.Release(sequence.table);
    roster_.Await(sequence, *prefix.by, prefix.tokens);
    return Attempt::kAwaits;
  }
  if (IsPutOff(sequence)) {
    cache_.Release(sequence.table);
    sequence.put_off = true;
    sequence.put_off_room = RoomBesideAwaited(sequence.owner());
    return Attempt::kPutOff;
  }
  const bool has_room = MakeGuaranteedRoom(sequence) || HasRoom(sequence, held_up);
  if (has_room && Fetches(sequence, found_tokens)) {
    cache_.Release(sequence.table);
    return Attempt::kPutOff;
  }
  if (!has_room || !cache_.Grow(sequence.table, sequence.num_tokens(), EvictionReason::kPrefill)) {
    cache_.Release(sequence.table);
    // Blocks that a read from the disk holds come back: whoever waits for those may fit.
    if (alone && !held_up && cache_.pool().num_live() == 0) {
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

bool Admission::Fetches(Sequence& sequence, uint32_t found_tokens) {
  if (!fetch_ || !sequence.lookup || sequence.asked_below) return false;
  sequence.asked_below = true;
  if (!fetch_(sequence, found_tokens)) return false;
  sequence.fetching = sequence.put_off = true;
  ++num_fetching_;
  return true;
}

void Admission::Fetched(Sequence& sequence) {
  if (!sequence.fetching) return;
  sequence.fetching = false;
  --num_fetching_;
}

// Whether there are blocks for it that its owner was guaranteed and that cost it nothing, if others
// have made way, and one for each of its owner that runs.
bool Admission::MakeGuaranteedRoom(const Sequence& sequence) {
  const OwnerId owner = sequence.owner();
  const uint32_t missing = cache_.BlocksFor(sequence.num_tokens()) - sequence.table.size();
  const uint64_t used = uint64_t{cache_.pool().counts(owner).used()} + missing;
  const auto margin = static_cast<uint32_t>(MarginOf(sequence));
  const uint64_t theirs = roster_.num_running(owner);
  if (used + margin + theirs > cache_.quota(owner).guaranteed_blocks) return false;
  while (cache_.CostsGuaranteed(owner, missing + margin)) {
    if (!make_way_ || !make_way_(sequence, missing + margin)) return false;
    made_way_ = true;
  }
  return true;
}

// Besides its own blocks one for each that runs, or the newcomer would be preempted at once. Where
// others are held up, only what its owner was guaranteed.
bool Admission::HasRoom(const Sequence& sequence, bool held_up) const {
  const uint32_t missing = cache_.BlocksFor(sequence.num_tokens()) - sequence.table.size();
  const OwnerId owner = sequence.owner();
  const uint64_t used = uint64_t{cache_.pool().counts(owner).used()} + missing;
  if (held_up && used > cache_.quota(owner).guaranteed_blocks) return false;
  // Where nobody runs there is nothing to wait for.
  const int64_t margin = roster_.num_running() == 0 ? 0 : MarginOf(sequence);
  return RoomFor(owner) >= missing + margin;
}

// Of a sequence that runs, or is about to: blocks beside those of its tokens.
int64_t Admission::MarginOf(const Sequence& sequence) const {
  if (sequence.handling.admission_margin == 0) return 0;
  const uint32_t most = cache_.BlocksFor(TokensWithKv(sequence.num_prompt, sequence.max_tokens));
  const uint32_t now = std::max(cache_.BlocksFor(sequence.num_tokens()), sequence.table.size());
  const double left = static_cast<double>(most - std::min(most, now));
  const uint32_t attainable =
      cache_.attainable(sequence.owner());  // more would be waited for in vain
  return std::min(static_cast<int64_t>(std::ceil(left * sequence.handling.admission_margin)),
                  int64_t{attainable} - std::min(attainable, now));
}

// One for each that runs is spoken for, or its margin.
int64_t Admission::RoomFor(OwnerId owner) const {
  int64_t spoken_for = 0;
  for (const Sequence* one : roster_.running()) {
    spoken_for += std::max<int64_t>(1, MarginOf(*one));
  }
  return int64_t{cache_.available(owner)} - spoken_for;
}

int64_t Admission::RoomBesideAwaited(OwnerId owner) const {
  return RoomFor(owner) - cache_.awaited(owner);
}

// While anybody runs, memory will come.
bool Admission::MayWait(const Sequence& sequence) const {
  return roster_.num_running() > 0 && cache_.now() < sequence.arrival + kPatienceMs;
}

// What is kept for the return of a tool is not given up for one who may wait, or none of it would
// ever be found. Others may pass it meanwhile.
bool Admission::IsPutOff(const Sequence& sequence) const {
  const OwnerId owner = sequence.owner();
  const uint32_t missing = cache_.BlocksFor(sequence.num_tokens()) - sequence.table.size();
  return MayWait(sequence) && missing > sequence.table.size() && RoomFor(owner) >= missing &&
         RoomBesideAwaited(owner) < missing;
}

// From the first start on nothing of a sequence allocates.
void Admission::Start(Sequence& sequence, uint32_t found_tokens) {
  const uint64_t most_tokens = uint64_t{sequence.num_prompt} + sequence.max_tokens;
  sequence.tokens.reserve(most_tokens);
  sequence.table.Reserve(cache_.BlocksFor(most_tokens));
  sequence.names.Reserve(cache_.BlocksFor(most_tokens));
  Retry();
  sequence.num_computed = found_tokens;
  sequence.counts.peak_blocks = std::max(sequence.counts.peak_blocks, sequence.table.size());
  roster_.StartRunning(sequence);
}

Sequence* Admission::HeirOf(const Sequence& sequence) {
  if (sequence.store && sequence.lookup) return nullptr;
  closed_.assign(closed_.size(), false);
  Sequence* heir = roster_.waiting().Next(roster_.share(), closed_);
  return heir != nullptr && heir->leader == sequence.leader ? heir : nullptr;
}

void Admission::StartOrRelease(Sequence& sequence, uint32_t found_tokens) {
  if (cache_.Grow(sequence.table, sequence.num_tokens(), EvictionReason::kPrefill)) {
    Start(sequence, found_tokens);
  } else {
    cache_.Release(sequence.table);
  }
}

uint32_t Admission::TakeBlocks(Sequence& sequence) {
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
const Sequence* Admission::SiblingOf(const Sequence& sequence) const {
  const Sequence* best = nullptr;
  for (const Sequence* other : roster_.running()) {
    if (other->leader != sequence.leader) continue;
    if (best == nullptr || other->num_computed > best->num_computed) best = other;
  }
  return best;
}

// What a running sequence is computing that this one can use, if it is enough more than what was
// found.
Admission::Prefix Admission::PrefixInWork(const Sequence& sequence, uint32_t found_tokens) const {
  if (!sequence.lookup) return {};
  const uint32_t block = cache_.block_tokens();
  const uint32_t least = found_tokens / block + kLeastAwaitedBlocks;
  const uint32_t usable = (sequence.num_tokens() - 1) / block;
  for (Sequence* other : roster_.running()) {
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

}  // namespace quire
