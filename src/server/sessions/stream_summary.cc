#include "server/sessions/stream_summary.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/engine.h"
#include "server/sessions/stream_window.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

// What is generated until its end; a request that is cancelled ends too.
Result<std::vector<TokenId>> Collect(const SessionCall& call, Engine& engine, RequestId id,
                                     EventQueue& events) {
  const auto guard = call.stop->OnStop([&engine, id] { engine.Cancel(id); });
  const auto until = std::chrono::steady_clock::now() + kSummaryPatience;
  std::vector<TokenId> summary;
  bool late = false;
  for (;;) {
    std::optional<Event> event;
    if (!late) event = events.WaitPopUntil(until);
    if (!event) {
      if (!late) engine.Cancel(id);
      late = true;
      event = events.WaitPop();
    }
    if (const auto* next = std::get_if<TokenEvent>(&*event)) {
      if (!call.model->tokenizer->IsControl(next->token)) summary.push_back(next->token);
    } else if (auto* done = std::get_if<DoneEvent>(&*event)) {
      if (done->error) return std::unexpected(std::move(*done->error));
      break;
    }
  }
  if (late) {
    return Refuse(ErrorCode::kUnavailable,
                  "the model took too long for the summary of this stream; try again: what it has "
                  "read is not read twice");
  }
  if (call.stop->stopped()) {
    return Refuse(ErrorCode::kUnavailable, "nobody waits for the summary of this stream any more");
  }
  return summary;
}

// What the model says about that which will be dropped; waits for it.
Result<std::vector<TokenId>> Summarise(const SessionCall& call, const SessionState& state,
                                       const std::vector<TokenId>& tokens) {
  GenerationRequest request;
  const auto end = std::min<size_t>(TailBegin(state), tokens.size());
  request.prompt.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(end));
  const auto asked = call.model->tokenizer->Encode(state.stream.summary_prompt,
                                                   {.add_special = false, .parse_special = true});
  request.prompt.insert(request.prompt.end(), asked.begin(), asked.end());
  request.sampling.temperature = 0;
  request.max_tokens = state.stream.summary_tokens;
  request.min_tokens = 1;
  request.tenant = call.space.tenant;
  const auto events = std::make_shared<EventQueue>();
  Engine& engine = *call.model->engine;
  if (call.entry != nullptr) call.entry->Follow(request, engine);
  QUIRE_TRY(const RequestId id, engine.Submit(std::move(request), events));
  return Collect(call, engine, id, *events);
}

}  // namespace

Status SummariseInTime(const SessionCall& call, const std::vector<TokenId>& tokens, uint64_t coming,
                       SessionState& state) {
  if (!WantsSummary(state, tokens.size(), coming)) return {};
  const bool needed = tokens.size() + coming > state.stream.window_tokens;
  auto summary = Summarise(call, state, tokens);
  if (summary) {
    state.next_summary = *std::move(summary);
    state.summarised = true;
  } else if (needed) {
    return std::unexpected(std::move(summary).error());
  }
  return {};
}

Status CheckWindow(const ReadyModel& model, const StreamWindow& stream) {
  const uint32_t context = model.engine->context_tokens();
  if (stream.window_tokens > context) {
    return Refuse(ErrorCode::kContextLength,
                  "a window of " + std::to_string(stream.window_tokens) +
                      " tokens is more than the context of " + std::to_string(context),
                  "stream.window_tokens");
  }
  if (stream.summary_tokens == 0) return {};
  const auto asked =
      model.tokenizer->Encode(stream.summary_prompt, {.add_special = false, .parse_special = true});
  const uint64_t room = stream.window_tokens / 4;
  if (asked.size() + stream.summary_tokens <= room) return {};
  return Refuse(ErrorCode::kContextLength,
                "the prompt for summaries has " + std::to_string(asked.size()) +
                    " tokens; with a summary of " + std::to_string(stream.summary_tokens) +
                    " it must fit into a quarter of the window, " + std::to_string(room),
                "stream.summary.prompt");
}

}  // namespace quire
