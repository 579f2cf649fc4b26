// engine/event.h -- what the engine tells the caller while it works on a request.
//
// Order per request: [PromptEvent] TokenEvent* ChoiceEndEvent (interleaved over choices), then
// exactly one DoneEvent, which is always the last: also after a cancel or a failure.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "cache/miss_reason.h"
#include "model/sampler.h"

namespace quire {

struct Timeline;

enum class FinishReason : uint8_t {
  kStop,       // an end token or a stop text
  kLength,     // max_tokens, or the context is full
  kCancelled,  // the caller went away, stalled, or the server drains
  kFailed,     // DoneEvent::error says why
};

// The prompt's own log-probabilities, [prompt tokens]; the first entry has no value.
struct PromptEvent {
  std::vector<SampledToken> logprobs;
};

struct TokenEvent {
  uint32_t choice = 0;
  TokenId token = kNoToken;
  std::string text;                      // complete UTF-8 now safe to show; may be empty
  std::optional<SampledToken> logprobs;  // when asked for
};

struct ChoiceEndEvent {
  uint32_t choice = 0;
  FinishReason reason = FinishReason::kStop;
  std::string text;                       // what was held back and belongs to the answer
  std::optional<std::string> stopped_by;  // the stop text that matched
  std::string logit_hash;                 // if asked for
};

// The receipt of a request; times in milliseconds.
struct Receipt {
  double queue_ms = 0;
  double onboard_ms = 0;
  double prefill_ms = 0;
  double ttft_ms = 0;
  double decode_ms_per_token = 0;
  double decode_ms = 0;  // from the first token to the last
  uint32_t prompt_tokens = 0;
  // Of the prompt, as choice 0 reads it; the others start from its blocks.
  uint32_t cached_tokens = 0;     // that were not computed, from wherever
  uint32_t onboarded_tokens = 0;  // of those, read from the disk for this request
  uint32_t brought_tokens = 0;    // of those, brought by a hand-off or import, first read now
  uint32_t computed_tokens = 0;   // computed (again after a preemption)
  uint32_t generated_tokens = 0;  // over all choices
  uint32_t peak_blocks = 0;
  uint32_t preemptions = 0;
  double block_seconds = 0;  // blocks held, over time; shared ones by each that holds them
  std::array<uint32_t, kMissReasons> missed_blocks{};  // by MissReason
  double evicted_ago_ms = 0;  // the last of those evicted was given up so long before
  std::shared_ptr<const Timeline> timeline;  // null: not asked for

  // Of the cached ones those that were in memory, and not only just brought there.
  uint32_t ram_tokens() const { return cached_tokens - onboarded_tokens - brought_tokens; }
};

struct DoneEvent {
  Receipt receipt;
  std::optional<Error> error;
};

using Event = std::variant<PromptEvent, TokenEvent, ChoiceEndEvent, DoneEvent>;

// The channel of one request from the engine thread to whoever asked. Its length is bounded by the
// request itself: at most choices * (max_tokens + 1) + 2 events are ever pushed.
//
// Threads  one pusher (the engine), one popper; `notify` runs on the engine thread after a push and
//          must only wake somebody (post to an executor), never block.
class EventQueue {
 public:
  explicit EventQueue(std::function<void()> notify = {}) : notify_(std::move(notify)) {}

  void Push(Event event);
  std::optional<Event> Pop();  // nullopt when empty; never blocks
  Event WaitPop();             // blocks
  std::optional<Event> WaitPopUntil(std::chrono::steady_clock::time_point until);

 private:
  std::function<void()> notify_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Event> events_;
};

}  // namespace quire
