// kernels/attention_plan.h -- how the rows of a forward pass are cut into units of attention.
//
// Made once per pass and used by all layers with the same window, for every KV head alike. A unit
// (attention_table.h) holds up to kMaxUnitQueries queries of one KV head. Sequences whose block
// tables begin alike are brought next to each other and share units, and in every tile that holds
// the same blocks for neighbours and is wholly attended to by all their rows, one pass over the
// tile serves them together. How rows are cut and who shares does not enter the arithmetic.
//
// Threads  filled by one thread, read by all workers.
// Memory   sized at construction; Fill allocates nothing.
// Cost     Fill sorts the sequences by their tables and compares neighbours: O(blocks) each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention_table.h"

namespace quire {

inline constexpr uint32_t kTileTokens = 256;

// Consecutive rows of one sequence: row i attends to positions [.., first_position + i].
struct AttentionRows {
  uint32_t first_row;  // index into the batch's q and out
  uint32_t num_rows;
  uint32_t first_position;
  std::span<const uint32_t> table;  // block ids; covers first_position + num_rows tokens
};

// A unit, and what it costs in queries scored against a block of tokens.
struct AttentionUnit {
  uint32_t first_member;
  uint32_t num_members;
  uint32_t num_queries;
  TileSpan tiles;  // that some query attends to
  uint64_t start;  // cost of all units before it
  uint64_t cost;
};

class AttentionPlan {
 public:
  // For at most `max_rows` rows; `group` query heads use one KV head.
  AttentionPlan(uint32_t max_rows, uint32_t group);

  // `window`: 0 for all keys, else those with q - k < window only. The tables must stay as they are
  // while the plan is used.
  void Fill(std::span<const AttentionRows> rows, uint32_t window);

  std::span<const AttentionUnit> units() const { return units_; }
  std::span<const AttentionMember> MembersOf(const AttentionUnit& unit) const {
    return std::span(members_).subspan(unit.first_member, unit.num_members);
  }
  uint32_t group() const { return group_; }
  uint32_t window() const { return window_; }  // at least 1
  uint64_t cost() const { return cost_; }      // of all units

  // What one tile of a unit costs: members that share it cost its loading once.
  uint64_t TileCost(const AttentionUnit& unit, uint32_t tile) const;

 private:
  void Append(const AttentionRows& rows);
  void AppendMember(AttentionMember member);
  void FinishUnit();
  TileSpan SharedTiles(const AttentionMember& a, const AttentionMember& b) const;

  const uint32_t max_rows_;
  const uint32_t group_;
  uint32_t window_ = UINT32_MAX;
  uint64_t cost_ = 0;
  std::vector<const AttentionRows*> order_;
  std::vector<AttentionMember> members_;
  std::vector<AttentionUnit> units_;
};

}  // namespace quire
