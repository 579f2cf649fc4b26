// engine/active_request.h -- one request inside the engine: its answers, its times, its receipt.
//
// Threads  none: the engine thread owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/ids.h"
#include "engine/answer.h"
#include "engine/event.h"
#include "engine/request.h"
#include "engine/timeline.h"
#include "sched/sequence.h"

namespace quire {

// Seconds since an arbitrary start, steady.
double SteadySeconds();

// What waits between a caller's thread and the engine's.
struct Arrival {
  RequestId id{};
  GenerationRequest request;
  std::shared_ptr<EventQueue> events;
  double arrived_seconds = 0;
};

class ActiveRequest {
 public:
  ActiveRequest(Arrival arrival, const Tokenizer& tokenizer);
  ActiveRequest(const ActiveRequest&) = delete;  // the answers point to the request
  ActiveRequest& operator=(const ActiveRequest&) = delete;

  RequestId id() const { return arrival_.id; }
  void SetLeader(SequenceId leader) { leader_ = leader; }
  SequenceId leader() const { return leader_; }  // of choice 0; choice i has the id i higher
  const GenerationRequest& request() const { return arrival_.request; }
  double arrived_seconds() const { return arrival_.arrived_seconds; }
  void DropPin() { arrival_.request.pin_seconds = 0; }
  uint32_t num_choices() const { return static_cast<uint32_t>(answers_.size()); }
  Answer& answer(uint32_t choice) { return answers_[choice]; }
  bool all_ended() const;
  EventQueue& events() { return *arrival_.events; }

  // Its prompt's blocks have come from the disk, so many tokens of them.
  void NoteOnboarded(uint32_t tokens, double seconds);
  // They are not all there: the wait for them goes on, and what was begun is begun anew.
  void LoseOnboarded(uint32_t tokens) {
    onboarded_tokens_ -= tokens;
    onboard_seconds_ = 0;
    started_ = -1;
    if (timeline_ != nullptr) timeline_->TakeBackOnboarded();
  }
  uint32_t onboarded_tokens() const { return onboarded_tokens_; }
  // A read that lost nothing says nothing of one before it.
  void NoteTierLoss(const TierLoss& loss) {
    if (loss.first < loss.end) tier_loss_ = loss;
  }
  const TierLoss& tier_loss() const { return tier_loss_; }
  TimelineRecorder* timeline() { return timeline_.get(); }  // null: not asked for
  // A full block of its prompt is not there; if it was given up, so long ago.
  void NoteMiss(MissReason reason, double evicted_ago_ms);
  void NoteStarted(double now);  // its first token is being computed
  // A token was chosen in the step that ends now. Returns the seconds since the step before that
  // gave this request one, or nullopt for the first.
  std::optional<double> NoteToken(double now);
  void NoteSequence(const SequenceCounts& counts, uint32_t choice);  // it is over

  // The rows [first_row, first_row + rows) of the prompt's logits; tells the log-probabilities when
  // the last one is there. `logits` [rows][vocab_size].
  void AddPromptRows(std::span<const float> logits, uint32_t first_row, uint32_t vocab_size);

  void Fail(Error error) { error_ = std::move(error); }
  bool failed() const { return error_.has_value(); }

  void EndAnswers(FinishReason reason);  // those that have not ended
  void CloseReceipt();                   // nothing more is noted
  void Done();                           // tells the receipt: the last event
  const Receipt& receipt() const { return receipt_; }
  bool cancelled() const { return cancelled_; }

 private:
  Arrival arrival_;
  SequenceId leader_ = kNoSequence;
  std::vector<Answer> answers_;
  std::vector<SampledToken> prompt_logprobs_;
  std::optional<Error> error_;
  bool cancelled_ = false;
  Receipt receipt_;
  std::unique_ptr<TimelineRecorder> timeline_;
  uint32_t onboarded_tokens_ = 0;
  TierLoss tier_loss_;  // of its prompt
  double onboard_seconds_ = 0;
  double started_ = -1;  // -1: not yet
  double first_token_ = -1;
  double last_token_ = -1;
  uint32_t token_steps_ = 0;
};

}  // namespace quire
