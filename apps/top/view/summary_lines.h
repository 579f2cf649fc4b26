// apps/top/view/summary_lines.h -- the lines of a page that are no table: server, work, hits,
// tiers.
//
// Threads  pure functions.
#pragma once

#include <vector>

#include "apps/top/view/page.h"

namespace quire {

Line TitleLine(const PageInput& input, const ViewState& view);

// Of an admin: work, times, tiers, verdicts. Of a tenant: what its tokens were.
std::vector<Line> SummaryLines(const PageInput& input);

// The arena in rows of at most `columns` cells, a legend before them; nothing if it is not shown to
// this key, or there is no room.
std::vector<Line> ArenaLines(const LiveState& live, size_t rows, size_t columns);

std::vector<Line> HelpLines();

}  // namespace quire
