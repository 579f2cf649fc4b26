#include "engine/answer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quire {

namespace {

SamplingParams WithEndTokens(SamplingParams params, const Tokenizer& tokenizer) {
  params.banned = tokenizer.end_of_generation();
  return params;
}

}  // namespace

Answer::Answer(const GenerationRequest& request, uint32_t choice, const Tokenizer& tokenizer)
    : request_(request),
      choice_(choice),
      tokenizer_(tokenizer),
      sampler_(std::in_place, WithEndTokens(request.sampling, tokenizer), choice,
               tokenizer.vocab_size()),
      detokenizer_(tokenizer, request.render_special, request.shown_control),
      stop_matcher_(request.stop) {
  const std::span prompt(request.prompt);
  const size_t answered = std::min<size_t>(request.answer_tokens, prompt.size());
  sampler_->ObservePrompt(prompt.first(prompt.size() - answered));
  sampler_->ObserveAnswer(prompt.last(answered));
  if (request.grammar) form_.emplace(request.grammar);
  if (request.return_logit_hash) hash_.emplace();
}

TokenId Answer::Choose(std::span<const float> logits, uint32_t position, EventQueue& events) {
  QUIRE_CHECK(!ended_ && num_generated_ < request_.max_tokens);
  if (hash_) hash_->Add(logits);
  const bool bans_end = num_generated_ < request_.min_tokens;
  std::span<const uint64_t> allowed;
  if (form_) allowed = form_->Allowed(!bans_end && !request_.ignore_eos);
  SampledToken sampled = sampler_->Sample(logits, {.position = position,
                                                   .want_logprob = request_.want_logprobs,
                                                   .num_top = request_.top_logprobs,
                                                   .ban_end = bans_end,
                                                   .allowed = allowed});
  ++num_generated_;
  const TokenId token = sampled.token;
  // The token that ends an answer is counted, but is no part of its text.
  const bool is_end = (form_ || !request_.ignore_eos) && tokenizer_.IsEndOfGeneration(token);
  if (form_ && !is_end) form_->Take(token);
  StopMatcher::Out out;
  if (!is_end) out = stop_matcher_.Append(detokenizer_.Append(token));
  NoteText(out.text);
  TokenEvent event{choice_, token, std::move(out.text), std::nullopt};
  if (request_.want_logprobs) event.logprobs = std::move(sampled);
  events.Push(std::move(event));

  stopped_by_ = out.which;
  if (is_end || out.stopped || (form_ && form_->complete())) {
    End(FinishReason::kStop, events);
  } else if (num_generated_ == request_.max_tokens) {
    End(FinishReason::kLength, events);
  }
  return token;
}

void Answer::NoteText(std::string_view text) {
  if (request_.calls_tool) text_ += text;
}

void Answer::End(FinishReason reason, EventQueue& events) {
  QUIRE_CHECK(!ended_, "an answer ends once");
  ChoiceEndEvent event;
  event.choice = choice_;
  event.reason = reason;
  if (stopped_by_ < 0) {
    StopMatcher::Out out = stop_matcher_.Append(detokenizer_.Finish());
    event.text = std::move(out.text);
    if (!out.stopped) {
      event.text += stop_matcher_.Finish();
    } else if (reason == FinishReason::kLength) {  // a last half character completed a stop text
      stopped_by_ = out.which;
      event.reason = FinishReason::kStop;
    }
  }
  NoteText(event.text);
  completed_ = reason == FinishReason::kStop || reason == FinishReason::kLength;
  calls_tool_ = completed_ && request_.calls_tool && request_.calls_tool(text_);
  text_ = {};
  if (stopped_by_ >= 0) event.stopped_by = request_.stop[static_cast<size_t>(stopped_by_)];
  if (hash_) event.logit_hash = hash_->Hex();
  ended_ = true;
  sampler_.reset();
  form_.reset();
  events.Push(std::move(event));
}

}  // namespace quire
