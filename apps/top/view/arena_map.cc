#include "apps/top/view/arena_map.h"

#include <algorithm>
#include <array>

namespace quire {
namespace {

constexpr std::array kOrder = {'L', 'P', 'I', 'F'};  // who goes first among equals

char MostOf(const std::vector<char>& map, size_t begin, size_t end) {
  std::array<size_t, kOrder.size()> counts{};
  for (size_t i = begin; i < end; ++i) {
    ++counts[static_cast<size_t>(std::ranges::find(kOrder, map[i]) - kOrder.begin())];
  }
  auto most = std::ranges::max_element(counts);
  constexpr size_t kFree = kOrder.size() - 1;
  if (most - counts.begin() == kFree && (counts[0] > 0 || counts[1] > 0)) {
    most = std::max_element(counts.begin(), counts.begin() + 2);
  }
  const char state = kOrder[static_cast<size_t>(most - counts.begin())];
  return state == 'F' ? '.' : state;
}

}  // namespace

ArenaMap DrawArena(const TopServer& server, uint64_t most_cells) {
  ArenaMap drawn;
  const size_t pieces = server.map.size();
  if (pieces == 0 || most_cells == 0) return drawn;
  const size_t per_cell = (pieces + most_cells - 1) / most_cells;
  drawn.blocks_per_cell = per_cell * server.map_blocks;
  for (size_t begin = 0; begin < pieces; begin += per_cell) {
    drawn.cells += MostOf(server.map, begin, std::min(pieces, begin + per_cell));
  }
  return drawn;
}

}  // namespace quire
