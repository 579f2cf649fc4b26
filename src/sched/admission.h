// sched/admission.h -- who may come in: the verdict at the door, and who of the waiting starts.
//
//   Check   at the door: kNeverFits when a sequence could not be held even by an empty cache,
//           kOverloaded when the queue is full
//   Admit   before each step: the waiting ones in their turn (waiting_queue.h) while all their
//           blocks fit; some 10 ms of it at most
//
// A sequence is admitted with the blocks of all its tokens, so a prefill never stops half-way for
// want of memory, and its blocks are contiguous where possible. One with a margin waits until that
// much is free beyond its blocks, while anybody runs; then the rest of its margin is room for
// nobody else to start in.
//
// Whoever's turn it is and does not fit holds up all others but those whose blocks are within what
// their owner was guaranteed: for these, others who use more than they were guaranteed are
// preempted if need be. Those are passed over who wait for blocks that are being computed:
// worth it for 4 blocks or more, as fewer cost less than the step that is waited. So are those of
// which a tier below memory has more than memory has: whoever was preempted, or waited for long,
// may have lost blocks meanwhile. That tier is asked once, when there is room for the sequence.
//
// Threads  none.
// Errors   Check refuses. When memory runs out Reserve throws and has changed nothing; Admit may
//          throw too, and then all is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/kv_cache.h"
#include "sched/roster.h"
#include "sched/sequence.h"

namespace quire {

class Admission {
 public:
  // `queue_limit` bounds the choices beyond the `most_running` that may run at once: each costs
  // memory. A request with more choices than that is queued if nobody else is. `cache` and `roster`
  // outlive us.
  struct Limits {
    uint32_t most_running;
    uint32_t queue_limit;
  };
  Admission(const Limits& limits, KvCache& cache, Roster& roster);

  void AddOwner() { closed_.push_back(false); }

  // Whether a sequence that found `found_tokens` is to wait, until Fetched, for more of them.
  using FetchMore = std::function<bool(const Sequence& sequence, uint32_t found_tokens)>;
  void OnAdmit(FetchMore fetch) { fetch_ = std::move(fetch); }
  void Fetched(Sequence& sequence);
  // Preempts one of those because of whom so many `blocks` of `sequence` would cost its owner
  // guaranteed ones; false if there is none, or all of them together would not do.
  using MakeWay = std::function<bool(const Sequence& sequence, uint32_t blocks)>;
  void OnCostsGuaranteed(MakeWay make_way) { make_way_ = std::move(make_way); }
  uint32_t num_fetching() const { return num_fetching_; }

  [[nodiscard]] Status Check(const SequenceSpec& spec) const;
  void Reserve(size_t sequences);  // for as many as there will be in the roster

  // Starts who may start. After a preemption the blocks it won are for those that run, if any are
  // left: whoever was alone and had to go is tried once more, and never_fits() if that fails though
  // nobody else, such as a read from the disk, holds blocks.
  void Admit(bool preempted);

  // Those that the last Admit found not to fit any more.
  std::span<const SequenceId> never_fits() const { return never_fits_; }

  // Room was made: whoever was blocked is tried again.
  void Retry() { blocked_ = kNoSequence; }

  // The next to be admitted, if it is another choice of the request of `sequence` and needs what
  // that holds, because the prefix cache may not keep it; or nullptr.
  Sequence* HeirOf(const Sequence& sequence);
  // Fills the empty table with what need not be computed: from the prefix cache, or from another
  // choice if that shares more (it does when blocks are not stored). Returns the tokens found.
  uint32_t TakeBlocks(Sequence& sequence);
  // Starts a sequence that took blocks, or takes them from it again.
  void StartOrRelease(Sequence& sequence, uint32_t found_tokens);

 private:
  enum class Attempt : uint8_t { kStarted, kAwaits, kPutOff, kNoRoom, kNever };
  // What another sequence is computing: its first `tokens` tokens. None if `by` is nullptr.
  struct Prefix {
    Sequence* by = nullptr;
    uint32_t tokens = 0;
  };

  Status CheckFits(const SequenceSpec& spec) const;
  Status CheckQueue(OwnerId owner, uint32_t choices) const;
  Attempt TryStart(Sequence& sequence, bool held_up);
  bool MakeGuaranteedRoom(const Sequence& sequence);
  bool HasRoom(const Sequence& sequence, bool held_up) const;
  bool Fetches(Sequence& sequence, uint32_t found_tokens);
  int64_t MarginOf(const Sequence& sequence) const;
  int64_t RoomFor(OwnerId owner) const;
  int64_t RoomBesideAwaited(OwnerId owner) const;
  bool MayWait(const Sequence& sequence) const;
  bool IsPutOff(const Sequence& sequence) const;
  void Start(Sequence& sequence, uint32_t found_tokens);
  const Sequence* SiblingOf(const Sequence& sequence) const;
  Prefix PrefixInWork(const Sequence& sequence, uint32_t found_tokens) const;

  const Limits limits_;
  FetchMore fetch_;
  MakeWay make_way_;
  bool made_way_ = false;  // for somebody in this Admit: nobody else is admitted if any run
  uint32_t num_fetching_ = 0;
  KvCache& cache_;
  Roster& roster_;
  std::vector<bool> closed_{false};  // scratch, by owner
  std::vector<SequenceId> never_fits_;
  // Who could not be admitted, and with how many blocks to spare: not tried again with fewer.
  SequenceId blocked_ = kNoSequence;
  int64_t blocked_room_ = 0;
};

}  // namespace quire
