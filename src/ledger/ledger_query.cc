#include "ledger/ledger_query.h"

#include <type_traits>

#include "base/check.h"
#include "ledger/ledger_columns.h"

namespace quire {
namespace {

// Calls visit(SQL with one parameter, value) for each condition that is set.
template <typename Visit>
void VisitConditions(const LedgerFilter& filter, Visit&& visit) {
  const auto text = [&](const char* sql, const std::optional<std::string>& value) {
    if (value) visit(sql, *value);
  };
  text("tenant = ?", filter.tenant);
  text("request_id = ?", filter.request_id);
  text("retry_of = ?", filter.retry_of);
  text("api = ?", filter.api);
  text("model = ?", filter.model);
  text("route = ?", filter.route);
  text("version = ?", filter.version);
  text("outcome = ?", filter.outcome);
  text("verdict = ?", filter.verdict);
  text("label = ?", filter.label);
  text("instr(',' || arms, ',' || ? || '=') > 0", filter.lever);
  if (filter.generation) visit("generation = ?", static_cast<int64_t>(*filter.generation));
  if (filter.since_ms) visit("started_ms >= ?", *filter.since_ms);
  if (filter.until_ms) visit("started_ms < ?", *filter.until_ms);
}

LedgerRow RowOf(const Statement& query) {
  LedgerRow row;
  int column = 0;
  VisitColumns(row, [&](const char*, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, std::string>) {
      field = query.GetText(column);
    } else if constexpr (std::is_same_v<Field, LedgerOutcome>) {
      field = FindLedgerOutcome(query.GetText(column)).value_or(LedgerOutcome::kError);
    } else if constexpr (std::is_floating_point_v<Field>) {
      field = query.GetReal(column);
    } else {
      field = static_cast<Field>(query.GetInt(column));
    }
    ++column;
  });
  row.label = query.GetText(column);
  row.has_score = !query.IsNull(column + 1);
  row.score = query.GetReal(column + 1);
  row.id = query.GetInt(column + 2);
  return row;
}

}  // namespace

std::string LedgerFilter::Where() const {
  std::string where;
  VisitConditions(*this, [&](const char* sql, const auto&) {
    where.append(where.empty() ? " WHERE " : " AND ").append(sql);
  });
  return where;
}

void LedgerFilter::Bind(Statement& statement) const {
  VisitConditions(*this, [&](const char*, const auto& value) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::string>) {
      statement.Text(value);
    } else {
      statement.Int(value);
    }
  });
}

Result<LedgerPage> ReadLedger(const Database& database, const LedgerWish& wish) {
  QUIRE_CHECK(!wish.own_numbers || (wish.filter.tenant && wish.filter.generation));
  const std::string order = wish.own_numbers ? "number" : "id";
  std::string where = wish.filter.Where();
  if (wish.before > 0) where += (where.empty() ? " WHERE " : " AND ") + order + " < ?";
  const std::string sql = "SELECT " + LedgerColumnList() + "," + order + " FROM request" + where +
                          " ORDER BY " + order + " DESC LIMIT ?";
  Statement query = database.Prepare(sql.c_str());
  wish.filter.Bind(query);
  if (wish.before > 0) query.Int(wish.before);
  query.Int(int64_t{wish.limit} + 1);  // one more tells whether there is a next page
  LedgerPage page;
  for (;;) {
    QUIRE_TRY(const bool row, query.Step());
    if (!row) return page;
    if (page.rows.size() == wish.limit) break;
    page.rows.push_back(RowOf(query));
  }
  page.next = page.rows.back().id;
  return page;
}

}  // namespace quire
