// How requests wait for blocks that are read from the disk (engine/disk/onboarder.h).
#include <new>
#include <utility>

#include "base/spare_memory.h"
#include "engine/disk/kv_disk.h"
#include "engine/step_loop.h"

namespace quire {

namespace {

// Whoever has waited for so long may have lost blocks that were in memory when it came.
constexpr TickMs kStaleMs = 1000;

}  // namespace

// True: the request waits for blocks that are read from the disk, and AdmitFromDisk goes on.
bool StepLoop::HoldForDisk(ActiveRequest& request, const SequenceSpec& spec) {
  if (options_.disk == nullptr) return false;
  options_.disk->AddOwner(spec.owner, request.request().tenant);
  if (!spec.lookup || spec.all_rows) return false;
  const Onboarder::Wanted wanted =
      options_.disk->Want({.request = request.id(),
                           .owner = spec.owner,
                           .names = BlockNames(spec.scope, spec.public_prefix),
                           .prompt = request.request().prompt,
                           .alone = scheduler_.num_sequences() == 0},
                          pace_.prefill_rows_per_second(), options_.clock());
  request.NoteTierLoss(wanted.loss);
  return wanted.waits;
}

// What it has in memory already is not asked for; nor is what it had when it came, a moment ago.
bool StepLoop::FetchFromDisk(const Sequence& sequence, uint32_t found_tokens) {
  if (IsAhead()) return false;  // it is what runs
  ActiveRequest& request = *places_.at(sequence.id).request;
  if (options_.disk->IsWanted(request.id())) {  // it was ahead of them, and not in time
    return fetching_.emplace(request.id(), sequence.id).second;
  }
  const bool lost = sequence.counts.preemptions > 0 || Now() > sequence.arrival + kStaleMs;
  const uint32_t block = cache_.block_tokens();
  if (!lost || (sequence.num_tokens() - 1) / block <= found_tokens / block) return false;
  Onboarder::Wanted wanted;
  try {
    if (!fetching_.emplace(request.id(), sequence.id).second) return false;  // another choice of it
    wanted = options_.disk->Want({.request = request.id(),
                                  .owner = sequence.owner(),
                                  .names = sequence.names,
                                  .prompt = sequence.tokens},
                                 pace_.prefill_rows_per_second(), options_.clock());
  } catch (const std::bad_alloc&) {
    wanted = {};  // then it is computed
  }
  if (!wanted.waits) fetching_.erase(request.id());
  if (!sequence.has_run) request.NoteTierLoss(wanted.loss);
  return wanted.waits;
}

bool StepLoop::WaitsForDisk() const {
  const bool nothing_else = scheduler_.num_sequences() == 0 || planned_nothing_;
  return options_.disk != nullptr && nothing_else &&
         (options_.disk->num_waiting() > 0 || options_.disk->has_work());
}

// As far as that is known before a step is planned.
Activity StepLoop::NextActivity() const {
  if (scheduler_.decodes().sequences > 0) return Activity::kAnswering;
  if (scheduler_.num_sequences() == 0) return Activity::kNone;
  const bool may_run = scheduler_.num_running() > 0 || !planned_nothing_;
  return may_run ? Activity::kReading : Activity::kWaiting;
}

void StepLoop::WorkDisk() {
  if (options_.disk == nullptr) return;
  cache_.SetTime(Now());
  for (const Onboarder::Ready& ready : options_.disk->Work(step_started_, NextActivity())) {
    requests_.at(ready.request)->NoteTierLoss(ready.loss);
    AdmitFromDisk(ready.request, ready.tokens, ready.seconds + options_.clock() - step_started_);
  }
}

void StepLoop::AdmitFromDisk(RequestId id, uint32_t tokens, double seconds) {
  ActiveRequest& request = *requests_.at(id);
  const auto fetched = fetching_.extract(id);
  if (request.leader() != kNoSequence) {
    const SequenceId sequence = fetched.empty() ? request.leader() : fetched.mapped();
    if (!scheduler_.Get(sequence).has_run) request.NoteOnboarded(tokens, seconds);
    scheduler_.Fetched(sequence);
    return;
  }
  request.NoteOnboarded(tokens, seconds);
  Status admitted;
  try {
    const SparePermit none(SpareUse::kNone);
    admitted = SubmitSequences(request, SpecOf(request.request()));
  } catch (const std::exception& failure) {
    admitted = std::unexpected(ErrorOf(failure));
  }
  if (admitted) return;
  request.Fail(std::move(admitted.error()));
  settling_.push_back(&request);
  Settle();
}

bool StepLoop::AwaitLayer(uint32_t layer, const std::function<bool()>& in_vain) {
  if (!IsAhead()) return true;
  const double begin = options_.clock();
  const bool there = options_.disk->AwaitLayer(layer, in_vain);
  waited_seconds_ += options_.clock() - begin;
  return there;
}

bool StepLoop::IsAhead() const {
  return options_.disk != nullptr && options_.disk->ahead().has_value();
}

// Nobody may find, or copy, blocks of which some layers are missing: a step leaves none.
void StepLoop::GiveUpAhead() {
  if (!IsAhead()) return;
  const Onboarder::Ahead ahead = *options_.disk->ahead();
  ActiveRequest& request = *requests_.at(ahead.request);
  for (uint32_t i = 0; i < NumSequences(request.request()); ++i) {
    scheduler_.Requeue(SequenceId{static_cast<uint64_t>(request.leader()) + i});
  }
  request.LoseOnboarded(ahead.tokens);
  options_.disk->GiveUp();
}

}  // namespace quire
