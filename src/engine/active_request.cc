#include "engine/active_request.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"

namespace quire {

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ActiveRequest::ActiveRequest(Arrival arrival, const Tokenizer& tokenizer)
    : arrival_(std::move(arrival)) {
  answers_.reserve(request().choices);
  for (uint32_t i = 0; i < request().choices; ++i) answers_.emplace_back(request(), i, tokenizer);
  if (request().want_prompt_logprobs) prompt_logprobs_.resize(request().prompt.size());
  receipt_.prompt_tokens = static_cast<uint32_t>(request().prompt.size());
  if (request().want_timeline) {
    timeline_ = std::make_unique<TimelineRecorder>(arrival_.arrived_seconds, request().choices);
  }
}

bool ActiveRequest::all_ended() const {
  return std::ranges::all_of(answers_, [](const Answer& answer) { return answer.ended(); });
}

void ActiveRequest::NoteOnboarded(uint32_t tokens, double seconds) {
  onboarded_tokens_ += tokens;
  onboard_seconds_ += seconds;
  if (timeline_ == nullptr) return;
  const double now = SteadySeconds();
  timeline_->Onboarded(tokens, now - seconds, now);
}

void ActiveRequest::NoteMiss(MissReason reason, double evicted_ago_ms) {
  ++receipt_.missed_blocks[static_cast<size_t>(reason)];
  const bool evicted = reason == MissReason::kEvictedOwn || reason == MissReason::kEvictedOutside;
  if (!evicted) return;
  const double least = std::max(evicted_ago_ms, 1.0);  // 0 stands for none
  receipt_.evicted_ago_ms =
      receipt_.evicted_ago_ms == 0 ? least : std::min(receipt_.evicted_ago_ms, least);
}

void ActiveRequest::NoteStarted(double now) {
  if (started_ < 0) started_ = now;
}

std::optional<double> ActiveRequest::NoteToken(double now) {
  ++receipt_.generated_tokens;
  if (now == last_token_) return std::nullopt;  // another choice in the same step
  const double before = std::exchange(last_token_, now);
  ++token_steps_;
  if (token_steps_ > 1) return now - before;
  first_token_ = now;
  return std::nullopt;
}

void ActiveRequest::NoteSequence(const SequenceCounts& counts, uint32_t choice) {
  receipt_.peak_blocks = std::max(receipt_.peak_blocks, counts.peak_blocks);
  receipt_.preemptions += counts.preemptions;
  receipt_.block_seconds += counts.block_seconds;
  if (timeline_ != nullptr) timeline_->Left(choice, counts.preemptions, SteadySeconds());
  if (choice != 0) return;
  receipt_.cached_tokens = counts.cached_tokens;
  receipt_.onboarded_tokens = std::min(counts.cached_tokens, onboarded_tokens_);
  receipt_.brought_tokens =
      std::min(counts.cached_tokens - receipt_.onboarded_tokens, counts.brought_tokens);
  receipt_.computed_tokens = counts.computed_prompt;
}

void ActiveRequest::AddPromptRows(std::span<const float> logits, uint32_t first_row,
                                  uint32_t vocab_size) {
  const std::vector<TokenId>& prompt = request().prompt;
  const size_t rows = logits.size() / vocab_size;
  for (size_t i = 0; i < rows && first_row + i + 1 < prompt.size(); ++i) {
    const size_t token = first_row + i + 1;  // a row speaks of the token after it
    prompt_logprobs_[token] = LogprobOf(logits.subspan(i * vocab_size, vocab_size), prompt[token],
                                        request().top_logprobs);
  }
  if (first_row + rows < prompt.size()) return;
  prompt_logprobs_[0].token = prompt[0];
  events().Push(PromptEvent{std::move(prompt_logprobs_)});
}

void ActiveRequest::EndAnswers(FinishReason reason) {
  cancelled_ = cancelled_ || reason == FinishReason::kCancelled;
  for (Answer& answer : answers_) {
    if (!answer.ended()) answer.End(reason, events());
  }
}

void ActiveRequest::Done() {
  QUIRE_CHECK(all_ended());
  if (request().on_end) request().on_end(receipt_);
  events().Push(DoneEvent{receipt_, std::move(error_)});
}

void ActiveRequest::CloseReceipt() {
  constexpr double kMs = 1000;
  const double now = SteadySeconds();
  const double started = started_ < 0 ? now : started_;
  const double first = first_token_ < 0 ? now : first_token_;
  if (timeline_ != nullptr) {
    receipt_.timeline = timeline_->Close(started_, first_token_, last_token_, now);
    timeline_.reset();
  }
  receipt_.onboard_ms = onboard_seconds_ * kMs;
  receipt_.queue_ms = (started - arrival_.arrived_seconds) * kMs - receipt_.onboard_ms;
  receipt_.prefill_ms = (first - started) * kMs;
  receipt_.ttft_ms = (first - arrival_.arrived_seconds) * kMs;
  if (token_steps_ > 1) {
    receipt_.decode_ms = (last_token_ - first_token_) * kMs;
    receipt_.decode_ms_per_token = (last_token_ - first_token_) * kMs / (token_steps_ - 1);
  }
}

}  // namespace quire
