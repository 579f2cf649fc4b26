// apps/top/view/table.h -- rows of texts, as lines whose columns stand below each other.
//
// Threads  pure functions.
#pragma once

#include <string>
#include <vector>

#include "apps/top/view/shown_text.h"

namespace quire {

struct Column {
  std::string title;
  Align align = Align::kLeft;
  size_t least = 0;  // where there is too little room, it may shrink to so much; 0: it may not
};

// The head, then one line for each row; each row has a cell for each column. Columns are as wide as
// what is in them. If that is more than `width`, those that may shrink do, the widest first; what
// still does not fit is cut by whoever shows it.
std::vector<std::string> DrawTable(const std::vector<Column>& columns,
                                   const std::vector<std::vector<std::string>>& rows, size_t width);

}  // namespace quire
