#include "ledger/ledger_schema.h"

#include <fmt/format.h>

#include <string>

#include "ledger/ledger_columns.h"

namespace quire {
namespace {

// What a version adds to the one before it. Steps that were released are never changed.
constexpr const char* kSteps[] = {R"(
CREATE TABLE request (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  generation INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  api TEXT NOT NULL,
  model TEXT NOT NULL,
  numerics TEXT NOT NULL,
  route TEXT NOT NULL,
  version TEXT NOT NULL,
  retry_of TEXT NOT NULL,
  outcome TEXT NOT NULL,
  verdict TEXT NOT NULL,
  status INTEGER NOT NULL,
  stream INTEGER NOT NULL,
  choices INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  ram_tokens INTEGER NOT NULL,
  disk_tokens INTEGER NOT NULL,
  remote_tokens INTEGER NOT NULL,
  computed_tokens INTEGER NOT NULL,
  generated_tokens INTEGER NOT NULL,
  queue_ms REAL NOT NULL,
  onboard_ms REAL NOT NULL,
  prefill_ms REAL NOT NULL,
  decode_ms REAL NOT NULL,
  first_token_ms REAL NOT NULL,
  total_ms REAL NOT NULL,
  forecast_wait_ms REAL NOT NULL,
  peak_blocks INTEGER NOT NULL,
  kv_used_bytes INTEGER NOT NULL,
  kv_forecast_bytes INTEGER NOT NULL,
  kv_byte_seconds REAL NOT NULL,
  preemptions INTEGER NOT NULL,
  miss_never_seen INTEGER NOT NULL,
  miss_evicted_own INTEGER NOT NULL,
  miss_evicted_outside INTEGER NOT NULL,
  miss_other_salt INTEGER NOT NULL,
  miss_purged INTEGER NOT NULL,
  miss_tier_failed INTEGER NOT NULL,
  miss_tier_busy INTEGER NOT NULL,
  miss_corrupt INTEGER NOT NULL,
  miss_break_even INTEGER NOT NULL,
  miss_not_asked INTEGER NOT NULL,
  evicted_ago_ms REAL NOT NULL,
  label TEXT,
  score REAL
) STRICT;
CREATE INDEX request_tenant ON request (tenant, id);
CREATE INDEX request_name ON request (request_id);
CREATE INDEX request_started ON request (started_ms);
CREATE INDEX request_retry ON request (retry_of) WHERE retry_of <> '';
)",
                                  R"(
ALTER TABLE request ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
UPDATE request SET number = ranked.number FROM (
  SELECT id, row_number() OVER (PARTITION BY tenant, generation ORDER BY id) AS number FROM request
) AS ranked WHERE ranked.id = request.id;
CREATE INDEX request_number ON request (tenant, generation, number);
)",
                                  R"(
ALTER TABLE request ADD COLUMN arms TEXT NOT NULL DEFAULT '';
)"};

constexpr int64_t kApplication = 0x514c4547;  // "QLEG": what the file says it is
constexpr auto kNewest = static_cast<int64_t>(std::size(kSteps));

Result<int64_t> Number(const Database& database, const char* sql) {
  Statement query = database.Prepare(sql);
  QUIRE_TRY([[maybe_unused]] const bool row, query.Step());
  return query.GetInt(0);
}

Result<int64_t> VersionOf(const Database& database) {
  QUIRE_TRY(const int64_t version, Number(database, "PRAGMA user_version"));
  QUIRE_TRY(const int64_t application, Number(database, "PRAGMA application_id"));
  QUIRE_TRY(const int64_t tables, Number(database, "SELECT count(*) FROM sqlite_schema"));
  if (version > 0 ? application != kApplication : tables > 0) {
    return Refuse(ErrorCode::kCorrupt, "the ledger is a file of another program; move it away");
  }
  if (version > kNewest) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("the ledger has version {}, this program knows {}; use a newer one, "
                              "or another --data",
                              version, kNewest));
  }
  return version;
}

// SQL on columns that are not there would be taken for a bug.
Status CheckColumns(const Database& database) {
  const std::string sql = "SELECT count(*) FROM pragma_table_info('request') WHERE instr('," +
                          LedgerColumnList() + ",number,', ',' || name || ',') > 0";
  QUIRE_TRY(const int64_t found, Number(database, sql.c_str()));
  int64_t wanted = 3;  // label, score, number
  const LedgerRow row;
  VisitColumns(row, [&](const char*, const auto&) { ++wanted; });
  if (found == wanted) return {};
  return Refuse(ErrorCode::kCorrupt, "the ledger lacks a table or columns; move it away");
}

}  // namespace

std::string LedgerColumnList() {
  std::string list;
  const LedgerRow row;
  VisitColumns(row, [&](const char* name, const auto&) { list.append(name).append(","); });
  return list + "label,score";
}

Status CheckLedger(const Database& database) {
  QUIRE_TRY(const int64_t version, VersionOf(database));
  if (version == kNewest) return CheckColumns(database);
  return Refuse(ErrorCode::kCorrupt,
                "the ledger is of an older version; a server of this version renews it");
}

Status MigrateLedger(const Database& database) {
  QUIRE_TRY(Transaction transaction, Transaction::Begin(database));
  QUIRE_TRY(const int64_t version, VersionOf(database));
  if (version == kNewest) return CheckColumns(database);
  for (int64_t step = version; step < kNewest; ++step) {
    if (const Status done = database.Execute(kSteps[step]); !done) return done;
  }
  const std::string marks =
      fmt::format("PRAGMA user_version={}; PRAGMA application_id={}", kNewest, kApplication);
  if (const Status done = database.Execute(marks.c_str()); !done) return done;
  return transaction.Commit();
}

}  // namespace quire
