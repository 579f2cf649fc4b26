#include "kernels/attention_plan.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/token_id.h"

namespace quire {
namespace {

static_assert(kTileTokens % kBlockTokens == 0);
constexpr uint32_t kTileBlocks = kTileTokens / kBlockTokens;

// What loading a block costs, in queries scored against it.
constexpr uint64_t kLoadCost = 2;

// Any order of tables that brings equal beginnings together.
bool TableBefore(const AttentionRows* a, const AttentionRows* b) {
  const size_t common = std::min(a->table.size(), b->table.size());
  const int order = std::memcmp(a->table.data(), b->table.data(), common * sizeof(uint32_t));
  if (order != 0) return order < 0;
  if (a->table.size() != b->table.size()) return a->table.size() < b->table.size();
  return a->first_row < b->first_row;
}

TokenSpan TokensOf(const AttentionMember& member, uint32_t group, uint32_t window) {
  return AttendedTokens(member, group, window, {0, member.num_queries});
}

TileSpan TilesOf(TokenSpan tokens) {
  return {tokens.begin / kTileTokens, (tokens.end - 1) / kTileTokens + 1};
}

// The tiles that every query of `member` attends to from end to end.
TileSpan WholeTiles(const AttentionMember& member, uint32_t group, uint32_t window) {
  const TokenSpan first = AttendedTokens(member, group, window, {0, 1});
  const TokenSpan last =
      AttendedTokens(member, group, window, {member.num_queries - 1, member.num_queries});
  return {(last.begin + kTileTokens - 1) / kTileTokens, first.end / kTileTokens};
}

bool SameBlocks(const AttentionMember& a, const AttentionMember& b, uint32_t tile) {
  return std::memcmp(a.table + tile * kTileBlocks, b.table + tile * kTileBlocks,
                     kTileBlocks * sizeof(uint32_t)) == 0;
}

}  // namespace

AttentionPlan::AttentionPlan(uint32_t max_rows, uint32_t group)
    : max_rows_(max_rows), group_(group) {
  QUIRE_CHECK(group > 0);
  const size_t members = max_rows + size_t{max_rows} * group / kMaxUnitQueries + 1;
  order_.reserve(max_rows);
  members_.reserve(members);
  units_.reserve(members);
}

void AttentionPlan::Fill(std::span<const AttentionRows> rows, uint32_t window) {
  window_ = window == 0 ? UINT32_MAX : window;
  cost_ = 0;
  order_.clear();
  members_.clear();
  units_.clear();
  uint64_t num_rows = 0;
  for (const AttentionRows& one : rows) {
    QUIRE_CHECK(one.num_rows > 0);
    QUIRE_CHECK(one.table.size() * kBlockTokens >= size_t{one.first_position} + one.num_rows,
                "the table does not cover the rows");
    num_rows += one.num_rows;
    order_.push_back(&one);
  }
  QUIRE_CHECK(num_rows <= max_rows_);
  std::sort(order_.begin(), order_.end(), TableBefore);
  for (const AttentionRows* one : order_) Append(*one);
  FinishUnit();
}

void AttentionPlan::Append(const AttentionRows& rows) {
  const uint32_t queries = rows.num_rows * group_;
  const uint32_t parts = (queries + kMaxUnitQueries - 1) / kMaxUnitQueries;
  for (uint32_t i = 0; i < parts; ++i) {
    const auto begin = static_cast<uint32_t>(uint64_t{queries} * i / parts);
    const auto end = static_cast<uint32_t>(uint64_t{queries} * (i + 1) / parts);
    AppendMember({.table = rows.table.data(),
                  .num_blocks = static_cast<uint32_t>(rows.table.size()),
                  .first_row = rows.first_row,
                  .first_position = rows.first_position,
                  .first_query = begin,
                  .num_queries = end - begin,
                  .unit_query = 0,
                  .shared = {0, 0}});
  }
}

// Joins the unit begun last if there is room and a tile to share with its last member.
void AttentionPlan::AppendMember(AttentionMember member) {
  if (!units_.empty() && units_.back().num_queries + member.num_queries <= kMaxUnitQueries) {
    const TileSpan shared = SharedTiles(members_.back(), member);
    if (shared.begin < shared.end) {
      AttentionUnit& unit = units_.back();
      members_.back().shared = shared;
      member.unit_query = unit.num_queries;
      unit.num_queries += member.num_queries;
      ++unit.num_members;
      members_.push_back(member);
      return;
    }
  }
  FinishUnit();
  units_.push_back({.first_member = static_cast<uint32_t>(members_.size()),
                    .num_members = 1,
                    .num_queries = member.num_queries,
                    .tiles = {0, 0},
                    .start = 0,
                    .cost = 0});
  members_.push_back(member);
}

// Sets what depends on all members of the unit begun last, if there is one.
void AttentionPlan::FinishUnit() {
  if (units_.empty()) return;
  AttentionUnit& unit = units_.back();
  unit.tiles = {UINT32_MAX, 0};
  for (const AttentionMember& member : MembersOf(unit)) {
    const TileSpan tiles = TilesOf(TokensOf(member, group_, window_));
    unit.tiles.begin = std::min(unit.tiles.begin, tiles.begin);
    unit.tiles.end = std::max(unit.tiles.end, tiles.end);
  }
  unit.start = cost_;
  unit.cost = 0;
  for (uint32_t tile = unit.tiles.begin; tile < unit.tiles.end; ++tile) {
    unit.cost += TileCost(unit, tile);
  }
  cost_ += unit.cost;
}

// From the first tile that both attend to wholly on, while the blocks are the same. Of blocks that
// left a window the ids may be stale: they lie before that tile and are not looked at.
TileSpan AttentionPlan::SharedTiles(const AttentionMember& a, const AttentionMember& b) const {
  const TileSpan whole_a = WholeTiles(a, group_, window_);
  const TileSpan whole_b = WholeTiles(b, group_, window_);
  const uint32_t begin = std::max(whole_a.begin, whole_b.begin);
  const uint32_t limit = std::min(whole_a.end, whole_b.end);
  uint32_t end = begin;
  while (end < limit && SameBlocks(a, b, end)) ++end;
  return {begin, end};
}

uint64_t AttentionPlan::TileCost(const AttentionUnit& unit, uint32_t tile) const {
  uint64_t cost = 0;
  bool loaded = false;  // by the member before
  for (const AttentionMember& member : MembersOf(unit)) {
    const TokenSpan tokens = TokensOf(member, group_, window_);
    const uint32_t begin = std::max(tokens.begin / kBlockTokens, tile * kTileBlocks);
    const uint32_t end =
        std::min((tokens.end + kBlockTokens - 1) / kBlockTokens, (tile + 1) * kTileBlocks);
    if (begin < end) cost += (end - begin) * (member.num_queries + (loaded ? 0 : kLoadCost));
    loaded = tile >= member.shared.begin && tile < member.shared.end;
  }
  return cost;
}

}  // namespace quire
