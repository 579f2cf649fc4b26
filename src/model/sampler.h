// model/sampler.h -- chooses the next token from a row of logits.
//
// Order of steps: logit bias, penalties (repetition, presence, frequency), then greedy if the
// temperature is 0, else temperature, top-k, top-p, min-p, draw. Draws come from a counter-based
// generator keyed by (seed, choice, position): the same request gives the same tokens whatever ran
// beside it, and after a resume. Ties go to the lowest id.
//
// Threads  none; one Sampler per choice of a request.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "model/candidates.h"

namespace quire {

struct SamplingParams {
  float temperature = 1.0f;      // 0: greedy
  float top_p = 1.0f;            // (0, 1]
  uint32_t top_k = 0;            // 0: off
  float min_p = 0.0f;            // [0, 1)
  float repetition_penalty = 1;  // > 0; divides positive, multiplies negative logits of seen tokens
  float presence_penalty = 0;    // [-2, 2]; subtracted once from tokens generated so far
  float frequency_penalty = 0;   // [-2, 2]; subtracted per occurrence
  uint64_t seed = 0;             // given, or drawn by the server
  std::vector<std::pair<TokenId, float>> logit_bias;
  std::vector<TokenId> banned;  // never chosen now (end tokens before min_tokens are reached)
};

// Refuses values out of range, naming the field as OpenAI does.
Status Validate(const SamplingParams& params, uint32_t vocab_size);

struct TokenLogprob {
  TokenId token = kNoToken;
  float logprob = 0;  // natural log, of the raw logits (before bias, penalties and temperature)
};

struct SampledToken {
  TokenId token = kNoToken;
  float logprob = 0;              // of the chosen token
  std::vector<TokenLogprob> top;  // the `num_top` likeliest, best first; empty if not asked for
};

class Sampler {
 public:
  Sampler(SamplingParams params, uint32_t choice, uint32_t vocab_size);

  // Tokens the penalties look at: the prompt counts for repetition_penalty only.
  void ObservePrompt(std::span<const TokenId> prompt);
  // Tokens of an answer that is gone on with: to the penalties, as if they were chosen here.
  void ObserveAnswer(std::span<const TokenId> answer);

  struct Ask {
    uint32_t position = 0;  // of the token to be chosen; keys the draw
    bool want_logprob = false;
    uint32_t num_top = 0;
    bool ban_end = false;  // SamplingParams::banned applies now
    // A bit per token; empty: all may be chosen. One that may is chosen whatever the logits are.
    std::span<const uint64_t> allowed = {};
  };
  // Chooses, and remembers the choice for the penalties. `logits` [vocab_size] is left unchanged.
  SampledToken Sample(std::span<const float> logits, const Ask& ask);

 private:
  std::span<const float> Adjusted(std::span<const float> logits, const Ask& ask);
  void CountGenerated(TokenId token);

  SamplingParams params_;
  uint32_t choice_;
  bool changes_logits_;                                  // bias or penalties are asked for
  std::vector<bool> prompt_seen_;                        // by token; empty unless needed
  std::vector<TokenId> prompt_tokens_;                   // the same, each once
  std::vector<std::pair<TokenId, uint32_t>> generated_;  // counts, ascending by token
};

// Log-probability of `token` under softmax(logits), and the `num_top` likeliest tokens.
SampledToken LogprobOf(std::span<const float> logits, TokenId token, uint32_t num_top);

}  // namespace quire
