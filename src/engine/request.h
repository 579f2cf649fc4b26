// engine/request.h -- what a caller asks of the engine: token ids in, bounds and wishes stated.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "model/sampler.h"
#include "sched/handling.h"

namespace quire {

class Grammar;
struct Receipt;

enum class RequestId : uint64_t {};

// Where in a conversation a request comes.
enum class TurnKind : uint8_t {
  kFirst,       // nothing was answered before
  kNext,        // the user goes on
  kToolReturn,  // a tool came back
};
inline constexpr size_t kTurnKinds = 3;

struct GenerationRequest {
  std::vector<TokenId> prompt;  // not empty; ids are checked against the vocabulary
  // So many at the end of the prompt are the beginning of the answer, not of what is answered.
  uint32_t answer_tokens = 0;
  SamplingParams sampling;
  uint32_t choices = 1;      // n: answers to the same prompt; choice i draws as stream i
  uint32_t max_tokens = 16;  // per choice; 0 computes the prompt only (log-probabilities)
  // max_tokens is no wish but "as many as there is room for": cut to what context and KV memory
  // hold.
  bool cut_max_tokens = false;
  uint32_t min_tokens = 0;  // end tokens are banned before
  // What each choice must look like; null: anything. A choice ends as soon as nothing can follow.
  std::shared_ptr<const Grammar> grammar;
  bool ignore_eos = false;
  std::vector<std::string> stop;  // texts that end a choice; not part of its text
  bool want_logprobs = false;
  uint32_t top_logprobs = 0;
  // Log-probability of every prompt token: computes every row, looks nothing up in the cache.
  bool want_prompt_logprobs = false;
  bool return_logit_hash = false;
  bool render_special = false;         // control tokens appear in the text
  std::vector<TokenId> shown_control;  // these do in any case

  // Who may share KV with this request: blocks are found only within equal (tenant, cache_salt).
  std::string tenant = "default";
  std::string cache_salt;
  bool no_store = false;  // leaves nothing behind in the prefix cache
  // What it leaves behind is the last of its tenant's to be evicted, for so long.
  uint32_t keep_seconds = 0;
  // It is not evicted at all for so long, within the tenant's budget; beyond that it is kept.
  uint32_t pin_seconds = 0;

  Handling handling;

  TurnKind turn = TurnKind::kFirst;
  // What the client calls this conversation; empty: nothing. Helps to tell which answer a request
  // goes on with, and is no part of any block's name.
  std::string conversation;
  // Whether an answer's whole text ends in a call of a tool: then what it leaves behind is kept for
  // as long as the tenant's tools take. Null: there are no tools. On the engine thread, once per
  // choice.
  std::function<bool(std::string_view text)> calls_tool;
  uint64_t pin_group = 0;  // for Engine::Unpin

  // What the client calls the part of its program that asks, and the version of it; empty: nothing.
  std::string route;
  std::string version;
  bool want_timeline = false;  // Receipt::timeline
  // Hears the receipt of a request that was accepted, once, before its DoneEvent: also if nobody
  // listens to that any more. On the engine thread: it must not wait.
  std::function<void(const Receipt&)> on_end;
};

}  // namespace quire
