// model/candidates.h -- which tokens of a row of logits are worth looking at.
//
// Every sum here is in the order of the candidates and rounded at each step: it says which token a
// draw gives. Every order is total: higher logits first, ties to the lowest id, NaN never. So a
// choice depends on nothing but the logits.
//
// Cost  one pass over the vocabulary without sorting it; `count` or survivors are sorted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"

namespace quire {

struct Candidate {
  TokenId token = kNoToken;
  float logit = 0;
  float weight = 0;  // exp((logit - max) / temperature); set by those who draw
};

// Whether `a` comes first.
bool BetterCandidate(const Candidate& a, const Candidate& b);

// The largest logit's token; 0 if there is none (all NaN).
TokenId ArgMax(std::span<const float> logits);

// The `count` largest, best first; fewer if NaNs leave fewer.
void SelectTop(std::span<const float> logits, uint32_t count, std::vector<Candidate>& out);

// Weighs the tokens whose logit is at least `floor`, ascending by id.
struct Weighing {
  float max;          // the largest logit, finite
  float temperature;  // > 0
  float floor;
};
void SelectAbove(std::span<const float> logits, const Weighing& weighing,
                 std::vector<Candidate>& out);
void Weigh(const Weighing& weighing, std::span<Candidate> candidates);

// Keeps the best whose weights reach `share` of `total`, best first, one at least.
void KeepNucleus(float share, double total, std::vector<Candidate>& candidates);

// A weight below which no token is needed for a `share` of `total`, of `count` tokens: all below it
// add up to less than the rest. The margin in it covers the rounding of `total`.
double LeastOfNucleus(float share, double total, size_t count);

// The sum of the weights, in order.
double TotalWeight(std::span<const Candidate> candidates);

// The first candidate with which the sum of weights exceeds `unit` (in [0, 1)) of their total; the
// last with a weight if rounding leaves none. There is one candidate at least.
TokenId Draw(std::span<const Candidate> candidates, double unit);

}  // namespace quire
