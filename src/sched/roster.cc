#include "sched/roster.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {
constexpr uint32_t kKeptShare = 8;  // one place in so many is kept for owners of whom none runs
}  // namespace

Roster::Roster(uint32_t most_running) : most_running_(most_running) {
  running_.reserve(most_running);
}

void Roster::AddOwner(const OwnerLimits& limits) {
  owners_.push_back({.limits = limits});
  share_.AddOwner(limits.weight);
}

void Roster::SetLimits(OwnerId owner, const OwnerLimits& limits) {
  owners_[Index(owner)].limits = limits;
  share_.SetWeight(owner, limits.weight);
}

bool Roster::MayRunMore(OwnerId owner) const {
  const Owner& entry = owners_[Index(owner)];
  if (entry.running >= entry.limits.max_running) return false;
  const bool among_last = num_running() + most_running_ / kKeptShare >= most_running_;
  return entry.running == 0 || num_owners() == 1 || !among_last;
}

void Roster::Enter(Sequences fresh) {
  const size_t total = sequences_.size() + fresh.size();
  sequences_.reserve(total);
  waiting_.Reserve(total);  // so that a preemption never allocates
  for (const auto& [id, sequence] : fresh) {
    waiting_.Insert(sequence.get());
    share_.Enter(sequence->owner());
  }
  num_new_ += static_cast<uint32_t>(fresh.size());
  sequences_.merge(fresh);
}

void Roster::StartRunning(Sequence& sequence) {
  sequence.state = SequenceState::kRunning;
  waiting_.Remove(&sequence);
  running_.insert(std::ranges::lower_bound(running_, sequence.id, {}, &Sequence::id), &sequence);
  ++owners_[Index(sequence.owner())].running;
}

void Roster::StopRunning(Sequence& sequence) {
  sequence.state = SequenceState::kWaiting;
  RemoveRunning(sequence);
  waiting_.Insert(&sequence);
}

void Roster::RemoveRunning(Sequence& sequence) {
  std::erase(running_, &sequence);
  --owners_[Index(sequence.owner())].running;
}

void Roster::Leave(Sequence& sequence) {
  StopAwaiting(sequence);
  WakeAwaiters(sequence, std::numeric_limits<uint32_t>::max());
  if (!sequence.has_run) --num_new_;
  share_.Leave(sequence.owner());
  if (sequence.state == SequenceState::kRunning) {
    RemoveRunning(sequence);
  } else {
    waiting_.Remove(&sequence);
  }
  sequences_.erase(sequence.id);
}

void Roster::SetHasRun(Sequence& sequence, bool has_run) {
  num_new_ += sequence.has_run ? 1 : 0;
  sequence.has_run = has_run;
  num_new_ -= has_run ? 1 : 0;
}

void Roster::Await(Sequence& sequence, Sequence& by, uint32_t tokens) {
  sequence.awaits = by.id;
  sequence.awaited_tokens = tokens;
  ++by.num_awaiters;
}

void Roster::StopAwaiting(Sequence& sequence) {
  if (sequence.awaits == kNoSequence) return;
  --Find(sequence.awaits)->num_awaiters;
  sequence.awaits = kNoSequence;
}

void Roster::WakeAwaiters(Sequence& awaited, uint32_t computed_tokens) {
  for (size_t i = 0; awaited.num_awaiters > 0 && i < waiting_.size(); ++i) {
    Sequence& sequence = *waiting_.all()[i];
    if (sequence.awaits == awaited.id && sequence.awaited_tokens <= computed_tokens) {
      StopAwaiting(sequence);
    }
  }
}

Sequence* Roster::Find(SequenceId id) const {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? nullptr : found->second.get();
}

const Sequence& Roster::Get(SequenceId id) const {
  const Sequence* sequence = Find(id);
  QUIRE_CHECK(sequence != nullptr, "no such sequence");
  return *sequence;
}

uint64_t Roster::running_work_tokens() const {
  uint64_t tokens = 0;
  for (const Sequence* sequence : running_) tokens += sequence->num_to_go() - 1;
  return tokens;
}

uint64_t Roster::waiting_work_tokens() const {
  uint64_t tokens = 0;
  for (const Sequence* sequence : waiting_.all()) tokens += sequence->work_tokens;
  return tokens;
}

void Roster::CheckWaiting() const {
  std::unordered_map<SequenceId, uint32_t> awaiters;
  for (const Sequence* sequence : waiting_.all()) {
    QUIRE_CHECK(sequence->state == SequenceState::kWaiting);
    QUIRE_CHECK(sequence->table.empty() && sequence->num_computed == 0, "R2: it holds blocks");
    if (sequence->awaits == kNoSequence) continue;
    QUIRE_CHECK(Find(sequence->awaits) != nullptr, "R3: it waits for a sequence that is gone");
    ++awaiters[sequence->awaits];
    size_t steps = 0;
    for (const Sequence* s = sequence; s->awaits != kNoSequence; s = Find(s->awaits)) {
      QUIRE_CHECK(++steps <= sequences_.size(), "R3: sequences wait for each other");
    }
  }
  for (const auto& [id, sequence] : sequences_) {
    QUIRE_CHECK(sequence->num_awaiters == awaiters[id], "R4: the count of awaiters is wrong");
  }
}

void Roster::CheckRunning() const {
  std::vector<uint32_t> running(owners_.size());
  for (const Sequence* sequence : running_) {
    ++running[Index(sequence->owner())];
    QUIRE_CHECK(sequence->state == SequenceState::kRunning);
  }
  for (uint32_t i = 0; i < owners_.size(); ++i) {
    QUIRE_CHECK(owners_[i].running == running[i], "R4: an owner's count is wrong");
  }
}

void Roster::CheckInvariants() const {
  QUIRE_CHECK(running_.size() + waiting_.size() == sequences_.size(), "R1: a sequence is lost");
  QUIRE_CHECK(std::ranges::is_sorted(running_, {}, &Sequence::id), "R1: not by age");
  QUIRE_CHECK(std::ranges::is_sorted(waiting_.all(), {}, &Sequence::id), "R1: not by age");
  uint32_t fresh = 0;
  for (const auto& [id, sequence] : sequences_) fresh += !sequence->has_run;
  QUIRE_CHECK(fresh == num_new_, "R4: the count of those that never ran is wrong");
  share_.CheckInvariants();
  CheckWaiting();
  CheckRunning();
}

}  // namespace quire
