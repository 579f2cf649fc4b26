// apps/top/view/arena_map.h -- the arena as letters, few enough for a terminal.
//
//   L live   I idle   P pinned   . free        one letter for `blocks_per_cell` blocks in a row
//
// Threads  pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "apps/top/view/live_state.h"

namespace quire {

struct ArenaMap {
  std::string cells;  // '.', 'L', 'I', 'P'
  uint64_t blocks_per_cell = 1;
};

// At most `most_cells` cells, in order of the blocks. A cell shows what most of its blocks are; but
// one that holds any live or pinned block is not shown as free, or work would be invisible.
ArenaMap DrawArena(const TopServer& server, uint64_t most_cells);

}  // namespace quire
