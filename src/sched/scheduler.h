// sched/scheduler.h -- decides which tokens of which sequences run in the next step.
//
//   Plan   keep the running ones running: a block for each one's next token, preempting if there is
//          none left
//          admit waiting ones (admission.h)
//          decodes first, then prefill chunks up to the step's room (prefill_turns.h)
//   Apply  note what was computed, commit full blocks, append the tokens that were chosen
//
// Preemption takes the youngest sequence of the owner that is furthest beyond its guarantee by its
// weight, or of the owner itself who needs the block. Who is within its guarantee gives up nothing
// that is cached for it while others use more than theirs: those make way, also for newcomers.
//
// There is no livelock: a preempted sequence only comes back when it fits without preempting
// anybody, or within a guarantee, where nobody preempts it. So between two preemptions of it those
// who were kept have chosen tokens, of which there are finitely many to choose.
//
// Deterministic: no clock, no randomness, no I/O, no threads. How much prefill a step may hold is
// an argument (step_room.h), so that a caller with a clock can bound its latency and a seed replays
// any schedule.
//
// Invariants (CheckInvariants):
//   S1  sum of planned tokens <= step_tokens, of logit rows <= step_logit_rows; number of items <=
//       step_sequences.
//   S2  every planned token has a block: planning reserves, so a forward pass cannot run out.
//   S3  progress: with work left that can ever fit, a plan is not empty unless blocks are being
//       fetched, or nobody runs and a read from the disk holds blocks; of one owner no sequence is
//       preempted while a younger one runs.
//   and those of roster.h.
//
// Threads  none.
// Errors   Submit refuses at the door (admission.h), never half-way. When memory runs out Submit
//          throws and has changed nothing; Plan may throw too, and then all is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/kv_cache.h"
#include "sched/admission.h"
#include "sched/prefill_turns.h"
#include "sched/roster.h"
#include "sched/sequence.h"
#include "sched/step_room.h"

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

// Places for tokens in the blocks of those that run.
struct KvPlaces {
  uint64_t reserved = 0;  // of tokens that are still to be computed
  uint64_t waste = 0;     // of no token yet: less than a block for each sequence
};

// What was chosen after the last token of a sequence.
struct Choice {
  TokenId token = kNoToken;  // kNoToken only together with `end`
  bool end = false;          // the sequence is over; its last token needs no KV
  TickMs await_ms = 0;       // with `end`: a tool will go on within so long, probably
};

class Scheduler {
 public:
  // `queue_limit` is that of admission.h. `cache` outlives us.
  Scheduler(const StepBudget& budget, uint32_t queue_limit, KvCache& cache);

  // kFirstOwner is there from the start. Owners are those of the cache, added in the same order.
  void AddOwner(const OwnerLimits& limits);
  void SetLimits(OwnerId owner, const OwnerLimits& limits);

  // Queues a request. Returns the id of choice 0; choice i has the id i higher.
  [[nodiscard]] Result<SequenceId> Submit(SequenceSpec spec);

  // Time has passed without a step: pins that are over end. Plan does it by itself.
  void Pass(TickMs now);
  // When the next pin is over; nullopt if there is none.
  std::optional<TickMs> next_unpin() const;

  // Chooses the next step, with as much of the work of sequences that have more than one token to
  // go as `room` lets it, and reserves its blocks. Empty only if there is no work but such as
  // never_fits() names, or such as waits: to be fetched, or for blocks that no sequence holds. The
  // plan is ours and valid until Apply or Abandon, one of which must follow a plan that is not
  // empty.
  std::span<const PlanItem> Plan(TickMs now, const StepRoom& room);

  // Before a sequence starts, `fetch` may have it wait until Fetched (admission.h).
  void OnAdmit(Admission::FetchMore fetch) { admission_.OnAdmit(std::move(fetch)); }
  void Fetched(SequenceId sequence);

  // Takes the blocks of one that runs: it waits again, with all its tokens. Others are ignored.
  void Requeue(SequenceId sequence);
  uint32_t num_fetching() const { return admission_.num_fetching(); }

  // Waiting sequences that the last Plan found not to fit any more, because memory was pinned or a
  // limit lowered since Submit. They are for the caller to cancel.
  std::span<const SequenceId> never_fits() const { return admission_.never_fits(); }

  // Gives up the plan, of which nothing was computed: nobody is further than before, blocks stay
  // taken.
  void Abandon();

  // Takes one choice per plan item that `completes`, in plan order.
  void Apply(std::span<const Choice> chosen);

  // Ends the pins of this group before their time.
  void Unpin(uint64_t group);
  void DropPin(SequenceId sequence);  // it will pin nothing at its end

  void Cancel(SequenceId sequence);  // between Apply and Plan; unknown ids are ignored

  const Sequence& Get(SequenceId sequence) const { return roster_.Get(sequence); }
  uint32_t num_running() const { return roster_.num_running(); }
  uint32_t num_waiting() const { return roster_.waiting().size(); }
  // To compute before all that wait, or that run, have their next token.
  uint64_t waiting_work_tokens() const { return roster_.waiting_work_tokens(); }
  uint64_t running_work_tokens() const { return roster_.running_work_tokens(); }
  uint32_t num_new() const { return roster_.num_new(); }  // sequences that never ran
  uint32_t num_sequences() const { return roster_.size(); }
  KvPlaces places() const;
  // Running sequences that have one token to go, and what they will attend to.
  struct Decodes {
    uint32_t sequences = 0;
    uint64_t positions = 0;
  };
  Decodes decodes() const;
  bool has_decodes() const { return decodes().sequences > 0; }
  // Whether an owner has a prompt to be read and is behind one whose answers are being generated.
  bool prefill_is_behind() const;
  uint64_t num_preemptions() const { return num_preemptions_; }

  void CheckInvariants() const;

 private:
  void ChargeTime(TickMs now);
  void KeepRunning();
  Sequence& VictimFor(const Sequence& sequence) const;
  Sequence* InTheWayOf(const Sequence& sequence, uint32_t blocks) const;
  bool CouldMakeWay(OwnerId owner, uint32_t blocks) const;
  void PlanDecodes();
  void PlanPrefills(const StepRoom& room);
  void AddItem(Sequence& sequence, uint32_t num_tokens);
  void NoteComputed(Sequence& sequence, const PlanItem& item);
  void Preempt(Sequence& sequence);
  void KeepBlocks(const Sequence& sequence);
  void UnpinExpired();
  void EndAndPassOn(Sequence& sequence);
  void End(Sequence& sequence);
  void CheckPlan() const;

  const StepBudget budget_;
  KvCache& cache_;
  Roster roster_;
  Admission admission_;
  PrefillTurns prefill_turns_;
  TickMs now_ = 0;
  struct Expiry {
    TickMs at;
    PinId pin;
    uint64_t group;  // SequenceSpec::pin_group
  };
  std::vector<Expiry> pins_;
  uint64_t last_id_ = 0;
  uint64_t num_preemptions_ = 0;
  std::vector<PlanItem> plan_;
  uint32_t planned_tokens_ = 0;
  uint32_t planned_rows_ = 0;
  bool preempted_in_plan_ = false;
};

}  // namespace quire
