#include "apps/top/view/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/top/view/request_table.h"
#include "apps/top/view/shown_text.h"
#include "apps/top/view/summary_lines.h"

namespace quire {
namespace {

constexpr size_t kMarkColumns = 2;  // "> "

// Below so many rows a page shows requests and little else.
constexpr size_t kRowsForTenants = 16;
constexpr size_t kRowsForArena = 20;
constexpr size_t kRowsForSummary = 10;

void Append(std::vector<Line> more, std::vector<Line>& lines) {
  for (Line& line : more) lines.push_back(std::move(line));
}

std::vector<Line> TenantLines(const LiveState& live, size_t most_rows, size_t columns) {
  std::vector<std::vector<std::string>> rows;
  for (const TopTenant& tenant : live.tenants) rows.push_back(TenantCells(tenant, live.requests));
  std::vector<Line> lines;
  for (const std::string& text : DrawTable(TenantColumns(), rows, columns)) {
    lines.push_back({{text, lines.empty() ? Style::kHead : Style::kPlain}});
  }
  if (lines.size() > most_rows) {
    const size_t hidden = lines.size() - most_rows + 1;
    lines.resize(most_rows);
    lines.back() = {{fmt::format("and {} more", hidden), Style::kDim}};
  }
  return lines;
}

std::vector<Column> SortedColumns(const ViewState& view) {
  std::vector<Column> columns = RequestColumns();
  columns[view.sort_column % columns.size()].title += view.reversed ? "v" : "^";
  return columns;
}

// Head, then the requests around the marked one.
std::vector<Line> RequestLines(const LiveState& live, ViewState& view, size_t most_rows,
                               size_t columns) {
  const std::vector<TopRequest> shown = ShownRequests(live.requests, view);
  const size_t room = most_rows > 0 ? most_rows - 1 : 0;
  view.page_rows = room;
  const auto marked = std::ranges::find(shown, view.marked, &TopRequest::id);
  const auto place = static_cast<size_t>(marked - shown.begin());
  const bool is_marked = marked != shown.end();
  size_t first = is_marked && room > 0 ? place / room * room : 0;
  if (shown.size() > room && first > shown.size() - room) first = shown.size() - room;
  std::vector<std::vector<std::string>> rows;
  for (const TopRequest& request : shown) rows.push_back(RequestCells(request));
  const size_t width = columns - std::min(columns, kMarkColumns);
  const std::vector<std::string> table = DrawTable(SortedColumns(view), rows, width);
  std::vector<Line> lines = {{{"  " + table[0], Style::kHead}}};
  for (size_t i = first; i < shown.size() && i - first < room; ++i) {
    const bool here = is_marked && i == place;
    lines.push_back({{(here ? "> " : "  ") + table[i + 1], here ? Style::kMarked : Style::kPlain}});
  }
  if (shown.empty() && room > 0) {
    lines.push_back(
        {{live.requests.empty() ? "  nothing runs or waits" : "  none passes the filter",
          Style::kDim}});
  }
  return lines;
}

Line CountLine(const LiveState& live, const ViewState& view) {
  const size_t shown = ShownRequests(live.requests, view).size();
  std::string text =
      fmt::format("  {} of {} requests", shown, live.requests.size() + live.requests_left_out);
  if (!view.filter.empty()) text += fmt::format(" with '{}'", view.filter);
  return {{"REQUESTS", Style::kHead}, {std::move(text)}};
}

Line LastLine(const PageInput& input, const ViewState& view) {
  if (view.mode == ViewState::Mode::kFilter) return {{"/" + view.draft_filter + "_"}};
  if (view.mode == ViewState::Mode::kAsk) {
    return {{fmt::format("cancel request {}? y/n", view.asked), Style::kWarning}};
  }
  if (!input.notice.empty()) return {{input.notice, Style::kWarning}};
  return {{"q quit  ? help  s sort  r reverse  / filter  c cancel  space pause", Style::kDim}};
}

// As wide as `columns` at most.
Line Cut(Line line, size_t columns) {
  size_t left = columns;
  for (Span& span : line) {
    const size_t wide = Columns(span.text);
    if (wide > left) span.text = Fit(span.text, left);
    left -= std::min(left, wide);
  }
  return line;
}

std::vector<Line> Body(const PageInput& input, ViewState& view, size_t rows, size_t columns) {
  if (view.mode == ViewState::Mode::kHelp) return HelpLines();
  std::vector<Line> lines;
  if (input.live == nullptr) return lines;
  if (rows >= kRowsForSummary) Append(SummaryLines(input), lines);
  if (rows >= kRowsForArena) Append(ArenaLines(*input.live, rows / 5, columns), lines);
  if (rows >= kRowsForTenants) Append(TenantLines(*input.live, rows / 4, columns), lines);
  if (rows > lines.size() + 2) lines.push_back(CountLine(*input.live, view));
  const size_t room = rows - std::min(rows, lines.size());
  Append(RequestLines(*input.live, view, room, columns), lines);
  return lines;
}

}  // namespace

std::vector<Line> DrawPage(const PageInput& input, ViewState& view, size_t rows, size_t columns) {
  if (rows == 0) return {};
  std::vector<Line> lines = {TitleLine(input, view)};
  if (rows > 2) Append(Body(input, view, rows - 2, columns), lines);
  lines.resize(rows);
  if (rows > 1) lines.back() = LastLine(input, view);
  for (Line& line : lines) line = Cut(std::move(line), columns);
  return lines;
}

std::string DrawText(const PageInput& input) {
  constexpr size_t kMapColumns = 64;
  constexpr size_t kMapRows = 9;
  constexpr size_t kAnyWidth = 1 << 20;
  std::vector<Line> lines = {TitleLine(input, {})};
  if (input.live != nullptr) {
    ViewState view;
    Append(SummaryLines(input), lines);
    Append(ArenaLines(*input.live, kMapRows, kMapColumns), lines);
    Append(TenantLines(*input.live, SIZE_MAX, kAnyWidth), lines);
    lines.push_back(CountLine(*input.live, view));
    Append(RequestLines(*input.live, view, input.live->requests.size() + 2, kAnyWidth), lines);
  }
  std::string text;
  for (const Line& line : lines) {
    for (const Span& span : line) text += span.text;
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace quire
