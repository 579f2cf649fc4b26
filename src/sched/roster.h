// sched/roster.h -- everybody there is: who waits, who runs, who waits for whom, and whose they
// are.
//
//   Enter --> waiting --StartRunning--> running      Leave from either
//                ^                         |
//                +------StopRunning--------+
//
// It keeps the counts and takes no decision: admission.h and scheduler.h do.
//
// Invariants (CheckInvariants):
//   R1  everybody is either in the waiting queue or running; both are in order of age.
//   R2  a waiting sequence holds no blocks.
//   R3  waiting for a prefix never goes in a circle: who is waited for was running at that time.
//   R4  counts of owners and of awaiters are what counting gives.
//
// Threads  none.
// Errors   Enter throws when memory runs out, and has changed nothing. Nothing else allocates.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/ids.h"
#include "sched/fair_share.h"
#include "sched/sequence.h"
#include "sched/waiting_queue.h"

namespace quire {

// What an owner may do at once.
struct OwnerLimits {
  double weight = 1;  // share of the compute when it is contended
  uint32_t max_running = 0xffffffff;
};

class Roster {
 public:
  using Sequences = std::unordered_map<SequenceId, std::unique_ptr<Sequence>>;

  explicit Roster(uint32_t most_running);

  // kFirstOwner is there from the start.
  void AddOwner(const OwnerLimits& limits);
  void SetLimits(OwnerId owner, const OwnerLimits& limits);
  uint32_t num_owners() const { return static_cast<uint32_t>(owners_.size()); }
  // Within its limit. The last eighth of the places is for owners of whom none runs: who comes late
  // need not wait until somebody of a crowd ends.
  bool MayRunMore(OwnerId owner) const;
  uint32_t num_running(OwnerId owner) const { return owners_[Index(owner)].running; }

  void Enter(Sequences fresh);
  void StartRunning(Sequence& sequence);
  void StopRunning(Sequence& sequence);  // back to the queue
  void Leave(Sequence& sequence);        // destroys it
  void SetHasRun(Sequence& sequence, bool has_run);

  // `sequence` waits until `by` has computed its first `tokens` tokens, or is gone.
  void Await(Sequence& sequence, Sequence& by, uint32_t tokens);
  void WakeAwaiters(Sequence& awaited, uint32_t computed_tokens);

  // nullptr if there is none; Get checks.
  Sequence* Find(SequenceId sequence) const;
  const Sequence& Get(SequenceId sequence) const;
  std::span<Sequence* const> running() const { return running_; }  // oldest first
  const WaitingQueue& waiting() const { return waiting_; }
  void EndPuttingOff() { waiting_.EndPuttingOff(); }
  FairShare& share() { return share_; }
  const FairShare& share() const { return share_; }

  uint32_t num_running() const { return static_cast<uint32_t>(running_.size()); }
  uint32_t num_new() const { return num_new_; }  // sequences that never ran
  uint32_t size() const { return static_cast<uint32_t>(sequences_.size()); }
  uint64_t running_work_tokens() const;
  uint64_t waiting_work_tokens() const;

  void CheckInvariants() const;

 private:
  void StopAwaiting(Sequence& sequence);
  void RemoveRunning(Sequence& sequence);
  void CheckWaiting() const;
  void CheckRunning() const;

  struct Owner {
    OwnerLimits limits;
    uint32_t running = 0;
  };
  const uint32_t most_running_;
  Sequences sequences_;
  std::vector<Sequence*> running_;  // oldest first
  WaitingQueue waiting_;
  FairShare share_;
  std::vector<Owner> owners_{1};
  uint32_t num_new_ = 0;
};

}  // namespace quire
