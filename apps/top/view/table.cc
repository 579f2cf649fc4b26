#include "apps/top/view/table.h"

#include <algorithm>

namespace quire {
namespace {

constexpr size_t kGap = 2;

std::vector<size_t> WidthsOf(const std::vector<Column>& columns,
                             const std::vector<std::vector<std::string>>& rows, size_t width) {
  std::vector<size_t> widths;
  size_t sum = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    size_t widest = Columns(columns[i].title);
    for (const auto& row : rows) widest = std::max(widest, Columns(row[i]));
    widths.push_back(widest);
    sum += widest + (i > 0 ? kGap : 0);
  }
  for (; sum > width; --sum) {
    size_t widest = columns.size();
    for (size_t i = 0; i < columns.size(); ++i) {
      const bool may = columns[i].least > 0 && widths[i] > columns[i].least;
      if (may && (widest == columns.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == columns.size()) break;
    --widths[widest];
  }
  return widths;
}

std::string DrawRow(const std::vector<Column>& columns, const std::vector<std::string>& cells,
                    const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    line += Fit(cells[i], widths[i], columns[i].align);
  }
  return line;
}

}  // namespace

std::vector<std::string> DrawTable(const std::vector<Column>& columns,
                                   const std::vector<std::vector<std::string>>& rows,
                                   size_t width) {
  const std::vector<size_t> widths = WidthsOf(columns, rows, width);
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.push_back(column.title);
  std::vector<std::string> lines = {DrawRow(columns, titles, widths)};
  for (const auto& row : rows) lines.push_back(DrawRow(columns, row, widths));
  return lines;
}

}  // namespace quire
