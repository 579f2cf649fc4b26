// model/weighed_row.h -- draws from a whole row of logits without adding its weights one by one.
//
// A draw is defined by sums of weights in the order of ids (candidates.h), each rounded before the
// next is added: a chain as long as the vocabulary. Here stretches are added side by side. That
// differs from the chain by less than kSlack of the total, so what lies further than that from
// where the answer would change is the chain's answer; the rest, one draw in some millions, is left
// to the chain.
//
// Threads  none: one row at a time. Memory: a float per token, kept for the next row.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "model/candidates.h"

namespace quire {

class WeighedRow {
 public:
  // Weighs all of `logits`, as SelectAbove does; they stay valid while the row is used.
  void Weigh(std::span<const float> logits, const Weighing& weighing);

  // What Draw gives for all weighed tokens; nothing where rounding might decide.
  std::optional<TokenId> Draw(double unit) const;

  // What KeepNucleus keeps of all weighed tokens; false, with `out` of no use, where rounding might
  // decide.
  bool KeepNucleus(float share, std::vector<Candidate>& out) const;

 private:
  double slack() const;  // in weight

  std::span<const float> logits_;
  std::vector<float> weights_;  // [logits_.size()], 0 below the floor
  std::vector<double> sums_;    // of stretches of weights_
  double total_ = 0;
};

}  // namespace quire
