// sched/scheduler.h -- decides which tokens of which sequences run in the next step.
//
//   Plan   keep the running ones running: a block for each one's next token, preempting if there is
//          none left
//          admit waiting ones in their turn (waiting_queue.h) while all their blocks fit; some 10
//          ms of it at most decodes first, then prefill chunks up to the step's budget, in the same
//          turn
//   Apply  note what was computed, commit full blocks, append the tokens that were chosen
//
// Whoever's turn it is and does not fit holds up all others but those whose blocks are within what
// their owner was guaranteed. Those are passed over who wait for blocks that are being computed:
// worth it for 4 blocks or more, as fewer cost less than the step that is waited.
// A sequence is admitted with the blocks of all its tokens, so a prefill never stops half-way for
// want of memory, and its blocks are contiguous where possible.
//
// Preemption takes the youngest sequence of the owner that is furthest beyond its guarantee by its
// weight, or of the owner itself who needs the block. There is no livelock: a preempted sequence
// only comes back when it fits without preempting anybody, so between two preemptions of it those
// who were kept have chosen tokens, of which there are finitely many to choose.
//
// Deterministic: no clock, no randomness, no I/O, no threads. How much prefill a step may hold is
// an argument, so that a caller with a clock can bound its latency and a seed replays any schedule.
//
// Invariants (CheckInvariants):
//   S1  sum of planned tokens <= step_tokens, of logit rows <= step_logit_rows; number of items <=
//       step_sequences.
//   S2  every planned token has a block: planning reserves, so a forward pass cannot run out.
//   S3  progress: with work left that can ever fit, a plan is not empty; of one owner no sequence
//   is
//       preempted while a younger one runs.
//   S4  a waiting sequence holds no blocks.
//   S5  waiting for a prefix never goes in a circle: who is waited for was running at that time.
//
// Threads  none.
// Errors   Submit refuses at the door, never half-way: kOverloaded when the queue is full,
//          kNeverFits when a sequence could not be held even by an empty cache. When memory runs
//          out Submit throws and has changed nothing; Plan may throw too, and then all is lost.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "cache/kv_cache.h"
#include "sched/fair_share.h"
#include "sched/sequence.h"
#include "sched/waiting_queue.h"

namespace quire {

struct StepBudget {
  uint32_t step_tokens = 512;    // rows of one forward pass, hence the size of its buffers
  uint32_t step_sequences = 64;  // sequences running at once
  uint32_t step_logit_rows = 64;
  uint32_t prefill_chunk = 512;  // tokens of one sequence in one step
};

struct PlanItem {
  SequenceId sequence = kNoSequence;
  uint32_t first_token = 0;  // index in the sequence of the first token to compute
  uint32_t num_tokens = 0;
  uint32_t num_logit_rows = 0;  // logits are wanted for the last this-many tokens
  bool completes = false;       // reaches the last token: Apply wants a Choice for it
  bool first = false;           // the first item of its sequence
};

// What an owner may do at once.
struct OwnerLimits {
  double weight = 1;  // share of the compute when it is contended
  uint32_t max_running = 0xffffffff;
};

// What was chosen after the last token of a sequence.
struct Choice {
  TokenId token = kNoToken;  // kNoToken only together with `end`
  bool end = false;          // the sequence is over; its last token needs no KV
};

class Scheduler {
 public:
  // `queue_limit` bounds the choices beyond those that may run at once: each costs memory. A
  // request with more choices than that is queued if nobody else is. `cache` outlives us.
  Scheduler(const StepBudget& budget, uint32_t queue_limit, KvCache& cache);

  // kFirstOwner is there from the start. Owners are those of the cache, added in the same order.
  void AddOwner(const OwnerLimits& limits);
  void SetLimits(OwnerId owner, const OwnerLimits& limits);

  // Queues a request. Returns the id of choice 0; choice i has the id i higher.
  [[nodiscard]] Result<SequenceId> Submit(SequenceSpec spec);

  // Chooses the next step, with at most `prefill_tokens` rows of sequences that have more than one
  // token to go, and reserves its blocks. Empty only if there is no work but such as never_fits()
  // names. The plan is ours and valid until Apply or Abandon, one of which must follow a
  // plan that is not empty.
  std::span<const PlanItem> Plan(TickMs now, uint32_t prefill_tokens);

  // Waiting sequences that the last Plan found not to fit any more, because memory was pinned or a
  // limit lowered since Submit. They are for the caller to cancel.
  std::span<const SequenceId> never_fits() const { return never_fits_; }

  // Gives up the plan, of which nothing was computed: nobody is further than before, blocks stay
  // taken.
  void Abandon();

  // Takes one choice per plan item that `completes`, in plan order.
  void Apply(std::span<const Choice> chosen);

  void Cancel(SequenceId sequence);  // between Apply and Plan; unknown ids are ignored

  const Sequence& Get(SequenceId sequence) const;
  uint32_t num_running() const { return static_cast<uint32_t>(running_.size()); }
  uint32_t num_waiting() const { return waiting_.size(); }
  uint64_t running_work_tokens() const;  // the same for those that run
  uint64_t waiting_work_tokens() const;  // to compute before all that wait have their first token
  uint32_t num_new() const { return num_new_; }  // sequences that never ran
  uint32_t num_sequences() const { return static_cast<uint32_t>(sequences_.size()); }
  bool has_decodes() const;  // a running sequence has one token to go
  uint64_t num_preemptions() const { return num_preemptions_; }

  void CheckInvariants() const;

 private:
  enum class Attempt : uint8_t { kStarted, kAwaits, kNoRoom, kNever };
  // What another sequence is computing: its first `tokens` tokens. None if `by` is nullptr.
  struct Prefix {
    Sequence* by = nullptr;
    uint32_t tokens = 0;
  };

  Status CheckFits(const SequenceSpec& spec) const;
  Status CheckQueue(OwnerId owner, uint32_t choices) const;
  void ChargeTime(TickMs now);
  void KeepRunning();
  Sequence& VictimFor(const Sequence& sequence) const;
  void Admit();
  Attempt TryStart(Sequence& sequence, bool held_up);
  bool HasRoom(const Sequence& sequence, bool held_up) const;
  void Start(Sequence& sequence, uint32_t found_tokens);
  uint32_t TakeBlocks(Sequence& sequence);
  const Sequence* SiblingOf(const Sequence& sequence) const;
  Prefix PrefixInWork(const Sequence& sequence, uint32_t found_tokens) const;
  void Await(Sequence& sequence, const Prefix& prefix);
  void StopWaiting(Sequence& sequence);
  void PlanDecodes();
  void PlanPrefills(uint32_t prefill_tokens);
  void AddItem(Sequence& sequence, uint32_t num_tokens);
  void NoteComputed(Sequence& sequence, const PlanItem& item);
  void WakeAwaiters(Sequence& awaited, uint32_t computed_tokens);
  void Preempt(Sequence& sequence);
  void StopRunning(Sequence& sequence);
  void KeepBlocks(const Sequence& sequence);
  void UnpinExpired();
  void EndAndPassOn(Sequence& sequence);
  void End(Sequence& sequence);
  Sequence* Find(SequenceId sequence) const;
  void CheckPlan() const;

  const StepBudget budget_;
  const uint32_t queue_limit_;
  KvCache& cache_;
  std::unordered_map<SequenceId, std::unique_ptr<Sequence>> sequences_;
  std::vector<Sequence*> running_;  // oldest first
  WaitingQueue waiting_;
  FairShare share_;
  struct Owner {
    OwnerLimits limits;
    uint32_t running = 0;
  };
  std::vector<Owner> owners_{1};
  std::vector<bool> closed_{false};  // scratch of Admit, by owner
  std::vector<Sequence*> prefills_;  // scratch of PlanPrefills
  std::vector<SequenceId> never_fits_;
  TickMs now_ = 0;
  struct Expiry {
    TickMs at;
    PinId pin;
  };
  std::vector<Expiry> pins_;
  uint64_t last_id_ = 0;
  uint32_t num_new_ = 0;
  uint64_t num_preemptions_ = 0;
  // Who could not be admitted, and with how many blocks to spare: not tried again with fewer.
  SequenceId blocked_ = kNoSequence;
  int64_t blocked_room_ = 0;
  std::vector<PlanItem> plan_;
  uint32_t planned_tokens_ = 0;
  uint32_t planned_rows_ = 0;
  bool preempted_in_plan_ = false;
};

}  // namespace quire
