// model/qkv_axis.h -- how the members of a team share the query, key and value rows of a layer.
//
// The rows lie on one axis, in groups of kRowGroup, and are cut evenly by the bytes of weights that
// they read:
//
//   query head 0 | query head 1 | ... | key and value head 0 | key and value head 1 | ...
//
// A unit is a query head, or a key head together with its value head. Whoever completes a unit goes
// on with it at once (rope, store): nobody waits for a barrier in between. A unit with a cut in it
// counts the members that have done their piece.
#pragma once

#include <cstdint>

#include "kernels/matmul.h"
#include "model/config.h"
#include "model/weights.h"

namespace quire {

class QkvAxis {
 public:
  QkvAxis(const ModelConfig& config, const LayerWeights& layer)
      : head_groups_(config.head_dim / kRowGroup),
        query_heads_(config.query_heads),
        units_(config.query_heads + config.kv_heads),
        query_cost_(PackedBytes(layer.query.matrix.type, kRowGroup, config.width)),
        key_cost_(PackedBytes(layer.key.matrix.type, kRowGroup, config.width)),
        value_cost_(PackedBytes(layer.value.matrix.type, kRowGroup, config.width)) {}

  uint32_t units() const { return units_; }
  uint32_t head_groups() const { return head_groups_; }

  // First group of unit `unit`; of units() it is the end of the axis.
  uint32_t Begin(uint32_t unit) const {
    return unit <= query_heads_ ? unit * head_groups_ : (2 * unit - query_heads_) * head_groups_;
  }
  uint32_t UnitAt(uint32_t group) const {
    const uint32_t heads = group / head_groups_;
    return heads < query_heads_ ? heads : query_heads_ + (heads - query_heads_) / 2;
  }

  // The first group of member `member` of `members`; of `members` it is the end of the axis.
  uint32_t Cut(uint32_t member, uint32_t members) const {
    const uint32_t end = Begin(units_);
    const uint64_t place = CostBefore(end) * member / members;
    uint32_t low = 0;
    uint32_t high = end;
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      if (CostBefore(middle) < place) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  // Members that have a piece of `unit`.
  uint32_t Pieces(uint32_t unit, uint32_t members) const {
    uint32_t pieces = 0;
    for (uint32_t member = 0; member < members; ++member) {
      const uint32_t begin = Cut(member, members);
      const uint32_t end = Cut(member + 1, members);
      pieces += begin < end && begin < Begin(unit + 1) && end > Begin(unit);
    }
    return pieces;
  }

 private:
  uint64_t CostBefore(uint32_t group) const {
    const uint32_t query_groups = query_heads_ * head_groups_;
    if (group <= query_groups) return group * query_cost_;
    const uint32_t pair_groups = 2 * head_groups_;
    const uint32_t pairs = (group - query_groups) / pair_groups;
    const uint32_t rest = (group - query_groups) % pair_groups;
    const uint64_t keys = rest < head_groups_ ? rest : head_groups_;
    return query_groups * query_cost_ + pairs * head_groups_ * (key_cost_ + value_cost_) +
           keys * key_cost_ + (rest - keys) * value_cost_;
  }

  uint32_t head_groups_;
  uint32_t query_heads_;
  uint32_t units_;
  uint64_t query_cost_;  // bytes of weights of one group
  uint64_t key_cost_;
  uint64_t value_cost_;
};

}  // namespace quire
