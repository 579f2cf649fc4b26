#include "ledger/ledger_csv.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <type_traits>

#include "ledger/ledger_columns.h"

namespace quire {
namespace {

void AppendText(std::string_view text, std::string& out) {
  if (text.empty()) return;
  out += '"';
  if (std::string_view("=+-@").contains(text.front())) out += '\'';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

std::string LedgerCsvHead() { return LedgerColumnList() + "\r\n"; }

void AppendCsv(const LedgerRow& row, std::string& out) {
  VisitColumns(row, [&](const char*, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, std::string>) {
      AppendText(field, out);
    } else if constexpr (std::is_same_v<Field, LedgerOutcome>) {
      out += LedgerOutcomeName(field);
    } else if constexpr (std::is_same_v<Field, bool>) {
      out += field ? '1' : '0';
    } else {
      fmt::format_to(std::back_inserter(out), "{}", field);
    }
    out += ',';
  });
  AppendText(row.label, out);
  out += ',';
  if (row.has_score) fmt::format_to(std::back_inserter(out), "{}", row.score);
  out += "\r\n";
}

}  // namespace quire
