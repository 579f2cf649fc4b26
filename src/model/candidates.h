// model/candidates.h -- which tokens of a row of logits are worth looking at.
//
// Every order here is total: higher logits first, ties to the lowest id, NaN never. So a choice
// depends on nothing but the logits.
//
// Cost  one pass over the vocabulary without sorting it; `count` or survivors are sorted.
#pragma once

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

// The sum of the weights, in order.
double TotalWeight(std::span<const Candidate> candidates);

}  // namespace quire
