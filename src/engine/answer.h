// engine/answer.h -- one choice of a request: from rows of logits to tokens, text and an end.
//
// Threads  none: the engine thread owns it.
// Errors   std::bad_alloc may come out of the constructor and of Choose. If ended() is false then,
//          End is still to be called: once for every answer, whatever happened before.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/token_id.h"
#include "engine/event.h"
#include "engine/form.h"
#include "engine/request.h"
#include "model/logit_hash.h"
#include "model/sampler.h"
#include "text/detokenizer.h"
#include "text/stop_matcher.h"
#include "text/tokenizer.h"

namespace quire {

class Answer {
 public:
  // `request` and `tokenizer` outlive it.
  Answer(const GenerationRequest& request, uint32_t choice, const Tokenizer& tokenizer);

  // Chooses the token at `position` of the sequence from its row of logits and tells `events`.
  // Ends the answer if that was its last: see ended().
  TokenId Choose(std::span<const float> logits, uint32_t position, EventQueue& events);

  void End(FinishReason reason, EventQueue& events);

  bool ended() const { return ended_; }
  uint32_t num_generated() const { return num_generated_; }
  // Once ended: by itself, or at its most tokens. Else nobody knows how long it would have been.
  bool completed() const { return completed_; }
  // Once ended: whether its text calls a tool. Never after a cancel or a failure: nobody goes on.
  bool calls_tool() const { return calls_tool_; }

 private:
  void NoteText(std::string_view text);

  const GenerationRequest& request_;
  const uint32_t choice_;
  const Tokenizer& tokenizer_;
  std::optional<Sampler>
      sampler_;  // until the answer ends: its scratch is as wide as the vocabulary
  Detokenizer detokenizer_;
  StopMatcher stop_matcher_;
  std::optional<Form> form_;  // what it must look like
  std::optional<LogitHash> hash_;
  uint32_t num_generated_ = 0;
  int stopped_by_ = -1;  // index into the request's stop texts
  bool ended_ = false;
  bool completed_ = false;
  std::string text_;  // all of it, where it may call a tool
  bool calls_tool_ = false;
};

}  // namespace quire
